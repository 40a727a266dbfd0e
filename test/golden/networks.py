"""Forward values and gradients of PyTorch for the networks in src/network, at tiny widths.

    python test/golden/networks.py > test/golden/networks.json

The architectures are written down here from the facts of their publications' code (which layers in which order with which
settings), in PyTorch 2.13 (CPU). Weights and images follow from a formula that the tests repeat, so that only results are
stored: value i of the tensor `name` is a fraction of a quadratic sequence, see `fill`. Layer names are those of src/network.
"""

import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float32)


def key(name):
    return sum(ord(c) * (j + 1) for j, c in enumerate(name))


def fill(name, shape, low=-1.0, high=1.0):
    """Value i, in row-major order of PyTorch's shape: low + (high - low) * frac((i + 1)(i + 2) phi + key(name) psi)."""
    k = key(name) * 0.7548776662466927
    values = []
    for i in range(math.prod(shape)):
        v = (i + 1) * (i + 2) * 0.6180339887498949 + k
        values.append(low + (high - low) * (v - math.floor(v)))
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)


PARAMETERS = {}


def parameter(name, shape, low, high):
    """A weight whose gradient is asked for later."""
    if name not in PARAMETERS:
        PARAMETERS[name] = fill(name, shape, low, high).requires_grad_(True)
    return PARAMETERS[name]


def conv(x, filters, size, name, padding=0, stride=1, bias=True):
    fan_in = x.shape[1] * size * size
    bound = math.sqrt(3 / fan_in)
    weight = parameter(f"{name}/kernel", (filters, x.shape[1], size, size), -bound, bound)
    return F.conv2d(x, weight, fill(f"{name}/bias", (filters,), -0.2, 0.2) if bias else None, stride, padding)


def up2(x, filters, name):
    """2x2 transposed convolution of stride 2; weight (in, out, 2, 2)."""
    bound = math.sqrt(3 / x.shape[1])
    weight = fill(f"{name}/kernel", (x.shape[1], filters, 2, 2), -bound, bound)
    return F.conv_transpose2d(x, weight, fill(f"{name}/bias", (filters,), -0.2, 0.2), stride=2)


def batch_norm(x, name):
    c = (x.shape[1],)
    return F.batch_norm(
        x,
        fill(f"{name}/moving_mean", c, -0.3, 0.3),
        fill(f"{name}/moving_variance", c, 0.5, 1.5),
        fill(f"{name}/gamma", c, 0.5, 1.5),
        fill(f"{name}/beta", c, -0.3, 0.3),
        eps=1e-5,
    )


def dense(x, units, name):
    bound = math.sqrt(3 / x.shape[1])
    return F.linear(x, parameter(f"{name}/kernel", (units, x.shape[1]), -bound, bound), fill(f"{name}/bias", (units,), -0.2, 0.2))


def blur(x):
    """CUT's Downsample: reflection 1, [1, 2, 1] x [1, 2, 1] / 16 of each map, stride 2."""
    a = torch.tensor([1.0, 2.0, 1.0])
    weight = (a[:, None] * a[None, :] / 16).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, stride=2, groups=x.shape[1])


def blur_up(x):
    """CUT's Upsample: replication 1, transposed [1, 3, 3, 1] x [1, 3, 3, 1] / 64 * 4, stride 2, padding 2, one pixel cut off all around."""
    a = torch.tensor([1.0, 3.0, 3.0, 1.0])
    weight = (a[:, None] * a[None, :] / 16).expand(x.shape[1], 1, 4, 4)
    y = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, stride=2, padding=2, groups=x.shape[1])
    return y[:, :, 1:, 1:][:, :, :-1, :-1]


def bilinear(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


# Networks: each gives its outputs, channels first.


def attention_y_net(x, filters):
    def double(x, f, name):
        x = F.elu(conv(x, f, 3, f"{name}_conv1", 1))
        return F.elu(conv(x, f, 3, f"{name}_conv2", 1))

    skips = []
    for i, f in enumerate(filters[:-1]):
        x = double(x, f, f"down{i}")
        skips.append(x)
        x = F.max_pool2d(x, 2)
    bottom = double(x, filters[-1], "bottom")
    x = bottom
    for i in reversed(range(len(filters) - 1)):
        f = filters[i]
        x = up2(x, f, f"up{i}_upsample")
        psi = F.relu(conv(skips[i], f, 1, f"up{i}_attention_skip") + conv(x, f, 1, f"up{i}_attention_up"))
        gated = x * torch.sigmoid(conv(psi, 1, 1, f"up{i}_attention_psi"))
        x = double(torch.cat([x, gated], 1), f, f"up{i}")
    logits = conv(x, 1, 1, "logits")
    x = bottom
    for i in reversed(range(len(filters) - 1)):
        x = double(up2(x, filters[i], f"reconstruct{i}_upsample"), filters[i], f"reconstruct{i}")
    return [logits, conv(x, 1, 1, "image")]


def y_net(x, filters):
    def double(x, f, name):
        for i in (1, 2):
            x = F.relu(batch_norm(conv(x, f, 3, f"{name}_conv{i}", 1), f"{name}_norm{i}"))
        return x

    skips = []
    for i, f in enumerate(filters[:-1]):
        x = double(x, f, f"down{i}")
        skips.append(x)
        x = F.max_pool2d(x, 2)
    bottom = double(x, filters[-1], "bottom")
    x = bottom
    for i in reversed(range(len(filters) - 1)):
        x = up2(x, filters[i], f"up{i}_upsample")
        x = double(torch.cat([skips[i], x], 1), filters[i], f"up{i}")
    logits = conv(x, 2, 1, "logits")
    x = bottom
    for i in reversed(range(len(filters) - 1)):
        x = double(up2(x, filters[i], f"reconstruct{i}_upsample"), filters[i], f"reconstruct{i}")
    return [logits, conv(x, 1, 1, "image")]


def group_norm(x, groups=32, eps=1e-5):
    return F.group_norm(x, math.gcd(groups, x.shape[1]), eps=eps)


def damt_net(x, base):
    def double(x, f, name):
        for i in (1, 2):
            x = F.relu(group_norm(conv(x, f, 3, f"{name}_conv{i}", 1)))
        return x

    filters = [base * 2**i for i in range(5)]
    skips = []
    for i in range(4):
        x = double(x, filters[i], f"down{i}")
        skips.append(x)
        x = F.max_pool2d(x, 2)
    bottom = double(x, filters[4], "bottom")
    x = bottom
    for i in reversed(range(4)):
        x = conv(bilinear(x), filters[i], 1, f"up{i}_conv0")
        x = double(torch.cat([x, skips[i]], 1), filters[i], f"up{i}")
    feature = x
    logits = conv(x, 2, 1, "logits")
    x = bottom
    for i in reversed(range(4)):
        x = double(bilinear(x), filters[i], f"reconstruct{i}")
    return [logits, feature, conv(x, 1, 1, "image")]


def label_discriminator(x, base):
    for i in range(4):
        x = F.leaky_relu(group_norm(conv(x, base * 2**i, 4, f"conv{i}", 1, 2)), 0.2)
    return [conv(x, 1, 4, "logits", 1, 2)]


def feature_discriminator(x):
    for i in range(3):
        x = F.max_pool2d(F.relu(group_norm(conv(x, 48, 3, f"conv{i}", 1), 4, 1e-12)), 2)
    x = x.flatten(1)
    for i, units in enumerate((288, 144, 2)):
        x = dense(x, units, f"dense{i}")
        if i < 2:
            x = F.relu(group_norm(x, 4, 1e-12))
    return [x]


def generator(x, base, blocks):
    features = []
    x = F.pad(x, (3, 3, 3, 3), mode="reflect")
    features.append(x)
    x = F.relu(F.instance_norm(conv(x, base, 7, "start_conv"), eps=1e-5))
    for i, f in enumerate((2 * base, 4 * base)):
        x = conv(x, f, 3, f"down{i}_conv", 1)
        features.append(x)
        x = blur(F.relu(F.instance_norm(x, eps=1e-5)))
    for i in range(blocks):
        y = conv(F.pad(x, (1, 1, 1, 1), mode="reflect"), 4 * base, 3, f"block{i}_conv1")
        y = F.relu(F.instance_norm(y, eps=1e-5))
        y = conv(F.pad(y, (1, 1, 1, 1), mode="reflect"), 4 * base, 3, f"block{i}_conv2")
        x = x + F.instance_norm(y, eps=1e-5)
        if i in (0, 4):
            features.append(x)
    for i, f in enumerate((2 * base, base)):
        x = F.relu(F.instance_norm(conv(blur_up(x), f, 3, f"up{i}_conv", 1), eps=1e-5))
    return [torch.tanh(conv(F.pad(x, (3, 3, 3, 3), mode="reflect"), 1, 7, "end_conv")), *features]


def patch_gan(x, base):
    for i in range(4):
        x = conv(x, base * 2**i, 4, f"patch{i}_conv", 1)
        if i > 0:
            x = F.instance_norm(x, eps=1e-5)
        x = F.leaky_relu(x, 0.2)
        if i < 3:
            x = blur(x)
    return [conv(x, 1, 4, "score_conv", 1)]


def patch_heads(x):
    return [dense(F.relu(dense(x, 6, "head0_1")), 6, "head0_2")]


# As tensorflow orders them.


def last(t):
    return t.permute(0, 2, 3, 1) if t.dim() == 4 else t


def sample(t):
    """Shape, sum, and 48 values spread over the tensor, channels last."""
    flat = last(t).flatten().double()
    picked = [float(f"{flat[i * (len(flat) - 1) // 47]:.7g}") for i in range(48)] if len(flat) >= 48 else flat.tolist()
    return {"shape": list(last(t).shape), "sum": float(flat.sum()), "values": picked}


def network(run, shape, low=0.0):
    """Values, and the gradients of the input and of all convolution kernels for the errors `fill("error0")`, ..."""
    PARAMETERS.clear()
    x = fill("input", shape, low, 1.0).requires_grad_(True)
    outputs = run(x)
    loss = sum((y * fill(f"error{i}", tuple(y.shape))).sum() for i, y in enumerate(outputs))
    loss.backward()
    return {
        "input": list(shape),
        "low": low,
        "outputs": [sample(y.detach()) for y in outputs],
        "gradient": sample(x.grad),
        "norms": {name: float(f"{weight.grad.norm():.7g}") for name, weight in PARAMETERS.items()},
    }


def operation(run, shape):
    """Value and gradient for the error `fill("error")`."""
    x = fill("input", shape).requires_grad_(True)
    y = run(x)
    y.backward(fill("error", tuple(y.shape)))
    return {"input": list(shape), "output": sample(y.detach()), "gradient": sample(x.grad)}


def main():
    golden = {
        "reference": f"PyTorch {torch.__version__.split('+')[0]}, test/golden/networks.py",
        "operations": {
            "reflection padding": operation(lambda x: F.pad(x, (3, 3, 3, 3), mode="reflect"), (2, 3, 6, 8)),
            "reflection padding of all there is": operation(lambda x: F.pad(x, (3, 3, 3, 3), mode="reflect"), (1, 2, 4, 5)),
            "blur downsampling": operation(blur, (2, 3, 6, 8)),
            "blur downsampling of odd edges": operation(blur, (2, 3, 7, 9)),
            "blur upsampling": operation(blur_up, (2, 3, 5, 4)),
            "bilinear upsampling": operation(bilinear, (2, 3, 5, 4)),
            "group normalisation": operation(lambda x: F.group_norm(x, 3, eps=1e-5), (2, 6, 5, 4)),
            "instance normalisation": operation(lambda x: F.instance_norm(x, eps=1e-5), (2, 6, 5, 4)),
        },
        "networks": {
            "attention_y_net": network(lambda x: attention_y_net(x, [2, 3, 4]), (2, 1, 16, 24)),
            "y_net": network(lambda x: y_net(x, [2, 3, 4]), (2, 1, 16, 24)),
            "damt_net": network(lambda x: damt_net(x, 4), (2, 1, 48, 32)),
            "label_discriminator": network(lambda x: label_discriminator(x, 4), (2, 2, 64, 96)),
            "feature_discriminator": network(feature_discriminator, (2, 3, 16, 16)),
            "generator": network(lambda x: generator(x, 2, 6), (2, 1, 32, 24), -1.0),
            "patch_gan": network(lambda x: patch_gan(x, 2), (2, 1, 50, 36), -1.0),
            "patch_heads": network(patch_heads, (7, 4)),
        },
    }
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
