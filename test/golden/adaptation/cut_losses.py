"""Makes cut_losses.json: the losses of CUT and their gradients by PyTorch 2.13's automatic differentiation, in double
precision, composed from its own cross-entropy, mean squared error and matrix products as the method describes them:
positive logit first, then the negatives of the same image with -10 on the diagonal, all over the temperature."""

import json

import torch
import torch.nn.functional as F

torch.manual_seed(4)
torch.set_default_dtype(torch.float64)
TAU = 0.07


def flat(tensor):
    return [round(v, 9) for v in tensor.detach().flatten().tolist()]


def normalise(x):
    return x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-7)


def nce(q, k):
    """One image: [P, C] queries and keys."""
    positive = (q * k).sum(1, keepdim=True)
    negative = (q @ k.T).masked_fill(torch.eye(len(q), dtype=torch.bool), -10.0)
    logits = torch.cat([positive, negative], 1) / TAU
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long), reduction="none").mean()


images, places, channels = 2, 6, 4
raw = torch.randn(images * places, channels, requires_grad=True)
# Keys that are near their queries, as those of a generator that keeps the content.
keys = normalise(raw.detach() + 0.7 * torch.randn(images * places, channels))
unit = normalise(raw)
unit.retain_grad()
per_image = [
    nce(unit[i * places : (i + 1) * places], keys[i * places : (i + 1) * places]) for i in range(images)
]
# Unequal weights, so that a mixed-up image shows.
(1.0 * per_image[0] + 2.5 * per_image[1]).backward()

fake = torch.randn(1, 3, 3, 1, requires_grad=True)
real = torch.randn(1, 3, 3, 1, requires_grad=True)
d_fake = F.mse_loss(fake, torch.zeros_like(fake))
d_real = F.mse_loss(real, torch.ones_like(real))
d = 0.5 * (d_fake + d_real)
d.backward()
generator = fake.detach().clone().requires_grad_()
g = F.mse_loss(generator, torch.ones_like(generator))
g.backward()

result = {
    "nce": {
        "shape": [images, places, channels],
        "temperature": TAU,
        "weights": [1.0, 2.5],
        "raw": flat(raw),
        "keys": flat(keys),
        "normalised": flat(unit),
        "losses": [round(loss.item(), 9) for loss in per_image],
        "queryGradient": flat(unit.grad),
        "rawGradient": flat(raw.grad),
    },
    "gan": {
        "fake": flat(fake),
        "real": flat(real),
        "discriminator": {"total": d.item(), "fake": d_fake.item(), "real": d_real.item()},
        "fakeGradient": flat(fake.grad),
        "realGradient": flat(real.grad),
        "generator": g.item(),
        "generatorGradient": flat(generator.grad),
    },
}
with open(__file__.replace(".py", ".json"), "w") as file:
    json.dump(result, file)
