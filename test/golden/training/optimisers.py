"""Makes optimisers.json: four steps of PyTorch 2.13's Adam and AdamW and Keras 3.15's SGD (momentum outside the
learning rate, as in the paper's code) on given gradients."""

import json

import keras
import numpy as np
import torch

torch.manual_seed(0)
gradients = [torch.randn(3, 2, dtype=torch.float64) for _ in range(4)]
weights = torch.randn(3, 2, dtype=torch.float64)
rates = [0.1, 0.2, 0.05, 0.1]
flat = lambda tensor: np.asarray(tensor).flatten().tolist()


def torch_steps(make):
    parameter = torch.nn.Parameter(weights.clone())
    optimiser = make([parameter])
    trace = []
    for gradient, rate in zip(gradients, rates):
        optimiser.param_groups[0]["lr"] = rate
        parameter.grad = gradient
        optimiser.step()
        trace.append(flat(parameter.detach()))
    return trace


def keras_sgd():
    variable = keras.Variable(weights.numpy().astype("float32"))
    optimiser = keras.optimizers.SGD(1.0, momentum=0.9)
    trace = []
    for gradient, rate in zip(gradients, rates):
        optimiser.learning_rate = rate
        optimiser.apply([gradient.numpy().astype("float32")], [variable])
        trace.append(flat(variable.numpy()))
    return trace


result = {
    "weights": flat(weights),
    "gradients": [flat(gradient) for gradient in gradients],
    "rates": rates,
    "adam": torch_steps(lambda p: torch.optim.Adam(p, lr=1.0)),
    "adamw": torch_steps(lambda p: torch.optim.AdamW(p, lr=1.0, weight_decay=0.1)),
    "sgd": keras_sgd(),
}
with open("optimisers.json", "w") as file:
    json.dump(result, file)
    file.write("\n")
