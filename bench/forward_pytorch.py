"""The network of bench/forward.ts in PyTorch, one thread: reads the dumped layers, answers each line with a forward pass."""
import base64
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
folder, size = sys.argv[1], int(sys.argv[2])
layers = json.load(open(f"{folder}/model.json"))
for layer in layers:
    tensors = [torch.tensor(np.fromfile(w["file"], np.float32).reshape(w["shape"])) for w in layer["weights"]]
    if layer["kind"] in ("Conv2D", "Conv2DTranspose"):
        # HWIO -> OIHW, and HWOI -> IOHW: the same permutation.
        tensors[0] = tensors[0].permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    layer["tensors"] = tensors

ACTIVATION = {"elu": F.elu, "relu": F.relu, "sigmoid": torch.sigmoid, "linear": lambda x: x}


def forward(x):
    values = {}
    for layer in layers:
        kind, weights = layer["kind"], layer["tensors"]
        inputs = [values[name] for name in layer["inputs"]]
        if kind == "InputLayer":
            y = x
        elif kind == "Conv2D":
            y = F.conv2d(inputs[0], weights[0], weights[1] if len(weights) > 1 else None, padding=weights[0].shape[2] // 2)
            y = ACTIVATION[layer["activation"]](y)
        elif kind == "Conv2DTranspose":
            y = F.conv_transpose2d(inputs[0], weights[0], weights[1], stride=2)
        elif kind == "BatchNormalization":
            gamma, beta, mean, variance = weights
            y = F.batch_norm(inputs[0], mean, variance, gamma, beta, eps=1e-5)
        elif kind == "Activation":
            y = ACTIVATION[layer["activation"]](inputs[0])
        elif kind == "MaxPooling2D":
            y = F.max_pool2d(inputs[0], 2)
        elif kind == "Concatenate":
            y = torch.cat(inputs, 1)
        elif kind == "Add":
            y = inputs[0] + inputs[1]
        elif kind == "Multiply":
            y = inputs[0] * inputs[1]
        elif "Dropout" in kind:
            y = inputs[0]
        else:
            raise ValueError(kind)
        values[layer["name"]] = y
    return y


print("ready", flush=True)
for _ in sys.stdin:
    x = torch.tensor(np.fromfile(f"{folder}/x.bin", np.float32).reshape(1, 1, size, size))
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        start = time.perf_counter()
        y = forward(x).contiguous()
        milliseconds = 1000 * (time.perf_counter() - start)
    print(json.dumps({"milliseconds": milliseconds, "y": base64.b64encode(y.numpy().tobytes()).decode()}), flush=True)
