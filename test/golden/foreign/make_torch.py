"""Makes the PyTorch fixtures of test/unit/exchange: python make_torch.py (torch, numpy).

A 2-D Attention U-Net with batch normalisation and the textbook gate (it multiplies the skip), with module names that are
not Chondria's, and gates that register the decoder's convolution before the skip's.
"""

import gzip
import json
import os
import struct
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
FILTERS = [3, 5, 6]


class Double(nn.Sequential):
    def __init__(self, a, b):
        super().__init__(
            nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ELU(),
            nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ELU(),
        )


class Gate(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.w_g = nn.Sequential(nn.Conv2d(f, f, 1), nn.BatchNorm2d(f))
        self.w_x = nn.Sequential(nn.Conv2d(f, f, 1), nn.BatchNorm2d(f))
        self.psi = nn.Sequential(nn.Conv2d(f, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, g, x):
        return x * self.psi(torch.relu(self.w_g(g) + self.w_x(x)))


class Up(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.up = nn.ConvTranspose2d(a, b, 2, stride=2)
        self.gate = Gate(b)
        self.block = Double(2 * b, b)

    def forward(self, x, skip):
        x = self.up(x)
        return self.block(torch.cat([x, self.gate(x, skip)], 1))


class AttentionUNet(nn.Module):
    def __init__(self, filters):
        super().__init__()
        ins = [1] + filters[:-2]
        self.down_path = nn.ModuleList(Double(a, b) for a, b in zip(ins, filters[:-1]))
        self.bottleneck = Double(filters[-2], filters[-1])
        self.up_path = nn.ModuleList(Up(a, b) for a, b in zip(filters[:0:-1], filters[-2::-1]))
        self.last_block = nn.Conv2d(filters[0], 1, 1)

    def forward(self, x):
        skips = []
        for down in self.down_path:
            x = down(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for up, skip in zip(self.up_path, skips[::-1]):
            x = up(x, skip)
        return torch.sigmoid(self.last_block(x))


def save_safetensors(tensors, path):
    """As the safetensors library does: entries sorted by name, header padded to 8 bytes."""
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        if tensor.dtype != torch.float32:
            continue
        raw = tensor.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def save(name, value):
    path = os.path.join(HERE, name)
    torch.save(value, path)
    with open(path, "rb") as f, open(f"{path}.gz", "wb") as out:
        out.write(gzip.compress(f.read(), 9, mtime=0))
    os.remove(path)


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {'chondria-pickle-ran'}",)


def main():
    torch.manual_seed(4)
    model = AttentionUNet(FILTERS).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.dtype == torch.float32 and tensor.ndim == 1:
                noise = torch.randn_like(tensor)
                tensor.copy_(torch.exp(0.3 * noise) if "var" in name or "weight" in name else 0.2 * noise)
        image = np.load(os.path.join(HERE, "input.npy"))
        out = model(torch.from_numpy(image).permute(0, 3, 1, 2))
    np.save(os.path.join(HERE, "torch_output.npy"), out.numpy())
    state = model.state_dict()
    save_safetensors(state, os.path.join(HERE, "torch.safetensors"))
    save("torch_state.pt", state)
    wrapped = OrderedDict((f"module.{k}", v) for k, v in state.items())
    half = OrderedDict((k, v.half() if v.dtype == torch.float32 else v) for k, v in wrapped.items())
    save("torch_checkpoint.pth", {"epoch": 3, "best": 0.5, "model_state_dict": half})
    save("malicious.pt", {"state_dict": Malicious()})
    print(json.dumps({"torch": torch.__version__, "parameters": sum(p.numel() for p in model.parameters())}))


main()
