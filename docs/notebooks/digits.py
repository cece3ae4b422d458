# %% [markdown]
# # Train on digits, and look at the model
#
# This notebook trains a small model for less than a minute. It then looks at
# three things: how well the model describes images (bits/dim), which images it
# finds unusual, and the images that it draws at several temperatures.

# %%
import torch

from glowflow import Glow, GlowConfig, RunConfig, TrainConfig, load, train
from glowflow.evaluate import likelihood, reconstruction_error, sample
from glowflow.pictures import grid
from glowflow.scoring.columns import columns
from glowflow.scoring.reference import Reference
from glowflow.scoring.statistics import statistics
from glowflow.stored import StoredModel

IMAGES = 4_000  # more give a better model: the preset `digits` takes 80,000

# %% [markdown]
# ## The images
#
# `load` prepares a data set and returns one split of it. `digits` needs no
# download. Images are grey, 28x28 pixels, and their values are whole numbers
# from 0 to 255.

# %%
digits = load("digits", image_shape=(1, 28, 28), split="test")
images, labels = digits.batch(range(20))
grid(images, columns=10)

# %% [markdown]
# ## The training
#
# `GlowConfig` is the model and `TrainConfig` is how it is trained. `train`
# writes everything into a folder. If you interrupt it and call it again, it
# goes on where it was.

# %%
model = GlowConfig(
    image_shape=(1, 28, 28),
    levels=2,
    steps=4,
    width=48,
    layout={"kind": "glow", "logit": True},
)
settings = TrainConfig(
    data="digits",
    images=IMAGES,
    batch_size=8,
    init_batch_size=64,
    optimizer="muon",
    lr=4e-3,
    warmup_images=IMAGES // 10,
    cooldown_images=IMAGES // 4,
    beta2=0.95,
    averaging=0.99,
    grad_clip=100,
    validate_every=IMAGES // 2,
    validation_images=100,
)
state = train(RunConfig(model, settings), "runs/notebook")

# %% [markdown]
# The folder holds the best model that was seen on the way. `freeze` gives a
# faster form of it, for use without training.

# %%
flow = Glow.from_pretrained("runs/notebook").freeze()

# %% [markdown]
# ## How good is it?
#
# **Bits/dim** is the number of bits that an ideal compressor would need for an
# image if it knew the model, divided by the number of values in the image.
# Lower is better. The images as they are take 8 bits per value.

# %%
test = digits.thinned(200)
found = likelihood(flow, test)
print(f"{found.bits_per_dim:.2f} bits/dim")
print(f"standard error: {found.standard_error:.2f}")
assert found.bits_per_dim < 8

# %% [markdown]
# A flow is invertible, so it reconstructs every image exactly.
# `reconstruction_error` is the largest difference between an image and itself
# after encoding and decoding.

# %%
error = reconstruction_error(flow, test)
print("largest difference:", error)
assert error == 0

# %% [markdown]
# ## Which digits are unusual?
#
# Bits/dim alone don't tell this, because plain images take few bits. When the
# training ended, it stored a **reference**: the scores of the validation
# images. The score `unusual` compares an image with them. The first row has
# the most usual images, and the second row the most unusual ones. The p-value
# is the share of usual images that are at least as unusual.

# %%
reference = Reference.load(StoredModel.open("runs/notebook"))
found = columns(statistics(flow, test, reference.codecs), reference)
order = found["unusual"].argsort()
usual, _ = test.batch(order[:10])
unusual, _ = test.batch(order[-10:])
print("smallest p-values:", found["p_value"][order[-3:]].round(3))
grid(torch.cat([usual, unusual]), columns=10)

# %% [markdown]
# ## New images, and temperature
#
# A new image is made by drawing **latents**, one random number for each value
# of the image, and running the flow backwards. **Temperature** is the standard
# deviation of these numbers. The rows below have the temperatures 0, 0.4, 0.7
# and 1. At 0 every image is the same. At 1 the images vary as much as the model
# has learned.
#
# After so short a training you see strokes more than digits. [The first
# page](../index.md) shows what the preset `digits` draws when fully trained.

# %%
temperatures = [0, 0.4, 0.7, 1]
rows = [sample(flow, 10, temperature=each, seed=1) for each in temperatures]
assert torch.equal(rows[0][0], rows[0][9])
grid(torch.cat(rows), columns=10)
