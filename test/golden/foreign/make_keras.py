"""Makes the Keras fixtures of test/unit/exchange: python make_keras.py (Keras 3, TensorFlow, h5py).

The network is the 2-D Attention U-Net of Franco-Barranco et al. (2022) in its layers and the order of their creation,
unnamed, with tiny widths; kernels are He-normal, biases and statistics random, so that every weight counts in the
output. HDF5 files are mostly gaps: they are kept gzipped.
"""

import gzip
import json
import os
import sys

import h5py
import keras
import numpy as np
from keras import layers as L

HERE = os.path.dirname(os.path.abspath(__file__))


def double(x, filters, dropout, norm):
    x = L.Conv2D(filters, (3, 3), kernel_initializer="he_normal", padding="same")(x)
    x = L.BatchNormalization()(x) if norm else x
    x = L.Activation("elu")(x)
    x = L.Dropout(dropout)(x)
    x = L.Conv2D(filters, (3, 3), kernel_initializer="he_normal", padding="same")(x)
    x = L.BatchNormalization()(x) if norm else x
    return L.Activation("elu")(x)


def attend(x, skip, filters, norm):
    a = L.Conv2D(filters, 1)(skip)
    a = L.BatchNormalization()(a) if norm else a
    b = L.Conv2D(filters, 1)(x)
    b = L.BatchNormalization()(b) if norm else b
    psi = L.Activation("relu")(L.Add()([a, b]))
    psi = L.Conv2D(1, 1)(psi)
    psi = L.BatchNormalization()(psi) if norm else psi
    return L.Multiply()([x, L.Activation("sigmoid")(psi)])


def attention_unet(filters, norm=False):
    inputs = L.Input((None, None, 1))
    x, skips = inputs, []
    for f in filters[:-1]:
        x = double(x, f, 0.1, norm)
        skips.append(x)
        x = L.MaxPooling2D((2, 2))(x)
    x = double(x, filters[-1], 0.3, norm)
    for f, skip in zip(filters[-2::-1], skips[::-1]):
        x = L.Conv2DTranspose(f, (2, 2), strides=(2, 2), padding="same")(x)
        x = L.Concatenate()([x, attend(x, skip, f, norm)])
        x = double(x, f, 0.1, norm)
    return keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(x))


def randomise(model, seed):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            name = weight.name
            if "kernel" in name or weight.dtype != "float32":
                continue
            noise = rng.normal(size=weight.shape).astype("float32")
            positive = "variance" in name or "gamma" in name
            weight.assign(np.exp(0.3 * noise) if positive else 0.2 * noise)


def keras2_weights(model, path):
    """The layout that `model.save_weights("x.h5")` of Keras 2 writes."""
    with h5py.File(path, "w") as f:
        f.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        f.attrs["backend"] = b"tensorflow"
        f.attrs["keras_version"] = b"2.4.0"
        for layer in model.layers:
            group = f.create_group(layer.name)
            weights = [w for w in layer.weights if w.dtype == "float32"]
            names = [f"{layer.name}/{w.name}:0" for w in weights]
            group.attrs["weight_names"] = [n.encode() for n in names]
            for name, weight in zip(names, weights):
                group[name] = weight.numpy()


def save(name, write):
    path = os.path.join(HERE, name)
    write(path)
    with open(path, "rb") as f, open(f"{path}.gz", "wb") as out:
        out.write(gzip.compress(f.read(), 9, mtime=0))
    os.remove(path)


def main():
    image = np.random.default_rng(3).random((1, 16, 24, 1)).astype("float32")
    np.save(os.path.join(HERE, "input.npy"), image)
    keras.utils.set_random_seed(11)

    def made(name, filters, norm=False):
        model = attention_unet(filters, norm)
        randomise(model, len(filters))
        np.save(os.path.join(HERE, f"{name}_output.npy"), model(image, training=False).numpy())
        return model

    model = made("keras_plain", [4, 8, 8])
    save("keras3_model.h5", model.save)
    small = made("keras_small", [3, 5])
    save("keras3.weights.h5", small.save_weights)
    save("keras2_weights.h5", lambda path: keras2_weights(small, path))
    save("keras3_batch.keras", made("keras_batch", [3, 5], norm=True).save)
    print(json.dumps({"keras": keras.__version__, "parameters": model.count_params()}), file=sys.stderr)


main()
