# %% [markdown]
# # Latents: blend two images, and edit one
#
# Every image has **latents**: as many numbers as it has values, which a flow
# computes in one pass and turns back into the same image. This notebook does
# arithmetic with the latents of cartoon faces. It uses `faces`, the model that
# comes with glowflow, so there is nothing to train.

# %%
from dataclasses import replace

import torch

from glowflow import Glow
from glowflow.evaluate import sample
from glowflow.images import quantize
from glowflow.latents import Usual, directions_of, interpolate, look, redraw
from glowflow.pictures import grid
from glowflow.stored import StoredModel

model = Glow.from_pretrained("faces").freeze()
faces = quantize(sample(model, num=8, temperature=0.7, seed=1), num_bits=5)
grid(faces, columns=8)

# %% [markdown]
# ## To latents and back
#
# `encode` gives the latents of images, and `decode` gives the images of
# latents. What comes back is the same image, value for value. (This model
# knows 32 levels of each colour. A sample may be a little brighter than the
# brightest of them, so `quantize` brought the samples to these levels.)

# %%
z = model.encode(faces)
assert torch.equal(model.decode(z), faces)
print(f"an image has {faces[0].numel():,} values, and {z.shape[1]:,} latents")

# %% [markdown]
# ## Between two images
#
# `interpolate` gives points on the way from one latent to another. Each point
# decodes to an image. You can see that the images between are faces too, and
# not two faces on top of each other.

# %%
path = interpolate(z[0], z[7], num=8)
between = model.decode(path)
assert torch.equal(between[0], faces[0])
assert torch.equal(between[-1], faces[7])
grid(between, columns=8)

# %% [markdown]
# The same blend in the images themselves, for comparison:

# %%
share = torch.linspace(0, 1, 8)[:, None, None, None]
grid(((1 - share) * faces[0] + share * faces[7]).byte(), columns=8)

# %% [markdown]
# ## Keep what is coarse
#
# The latents come in levels, from fine to coarse. `redraw` keeps the coarsest
# levels and draws the finer ones again. Here only the coarsest of the four
# levels is kept.

# %%
generator = torch.Generator().manual_seed(0)
same = z[7:8].expand(7, -1)
redrawn = redraw(model, same, keep=1, temperature=0.7, generator=generator)
grid(torch.cat([faces[7:8], model.decode(redrawn)]), columns=8)

# %% [markdown]
# ## Edit an attribute
#
# Images that share an attribute have latents whose mean differs from the mean
# of the others. The difference is a **direction**. The model comes with
# directions for some attributes, and `glowflow attributes` finds them for a
# model of your own. The strengths below go from -1 to 1, and at 0 the image is
# as it was.

# %%
directions = directions_of("faces")
print(", ".join(directions.names))


# %%
def smiling(strengths):
    moved = [
        directions.edit(z[3:4], {"Smiling": strength}) for strength in strengths
    ]
    return model.decode(torch.cat(moved))


strengths = [-1, -0.5, 0, 0.5, 1]
edited = smiling(strengths)
assert torch.equal(edited[2], faces[3])
grid(edited, columns=5)

# %% [markdown]
# ## How usual is the result?
#
# The model tells how well it knows an image, by its **bits/dim**: the bits that
# an ideal compressor would need for it, divided by the number of its values.
# The training stored the range of bits/dim that usual images keep to. An image
# that falls apart also has many values that are black or white; here more than
# a tenth of them is suspicious. `look` measures images. `excess` tells how far
# outside of the range an image is, and 0 means inside.

# %%
stored = Usual.stored(StoredModel.open("faces").usual)
usual = replace(stored, extremes=0.1)
print(f"half of the usual images take {usual.middle:.2f} bits/dim or less")
print(f"99% of them take {usual.highest:.2f} or less")
for strength, seen in zip(strengths, look(model, edited), strict=True):
    bits, excess = seen.bits_per_dim, usual.excess(seen)
    print(f"smile {strength:+.1f}: {bits:.2f} bits/dim, excess {excess:.2f}")

# %% [markdown]
# Stronger edits leave the range sooner or later. The last images show why this
# matters: nothing of the face is left.

# %%
far = [1, 1.5, 2, 2.5, 3, 4]
too_far = smiling(far)
for strength, seen in zip(far, look(model, too_far), strict=True):
    excess = usual.excess(seen)
    print(f"strength {strength}: excess {excess:.1f}")
assert excess > 1
grid(too_far, columns=6)
