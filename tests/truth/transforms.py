"""Results of transforms of images, from torchvision.

Pixels are whole numbers from 0 to 255. torchvision computes most changes of floating-point images with values up to 1,
and some of bytes only. Its grey is 0.2989 R + 0.587 G + 0.114 B, whose weights add up to 0.9999; `grey` marks the cases
that depend on it.
"""

import numpy
import torch
import torchvision
from torchvision.transforms import InterpolationMode, autoaugment
from torchvision.transforms import functional as F
from truth import Table

COLOUR, GREY = (3, 7, 9), (1, 6, 5)
OF_BYTES = {"Posterize", "Solarize", "Equalize"}
OF_GREY = {"Color", "Contrast"}

table = Table(__file__)


def image(name, shape):
    generator = numpy.random.default_rng([7, *name.encode()])
    return torch.from_numpy(generator.integers(0, 256, shape).astype(numpy.uint8))


def add(name, transform, call, shape=COLOUR, of_bytes=False, grey=False, **arguments):
    """Adds a case: call(image), with pixels as bytes or as float64 from 0 to 1."""
    x = image(name, shape)
    y = call(x).double() if of_bytes else call(x.double() / 255) * 255
    table.add(name, transform=transform, grey=grey and shape[0] == 3, shape=list(shape), x=x.double(),
              result=list(y.shape), y=y, **arguments)


def affine(name, interpolation="bilinear", fill=None, shape=COLOUR, degrees=0.0, right=0, down=0, scale=1.0,
           shearX=0.0, shearY=0.0):
    mode = InterpolationMode(interpolation)
    add(name, "affine", lambda x: F.affine(x, degrees, [right, down], scale, [shearX, shearY], mode,
        None if fill is None else [fill / 255]), shape, degrees=degrees, right=right, down=down, scale=scale,
        shearX=shearX, shearY=shearY, interpolation=interpolation, fill=fill or 0)


affine("rotation", degrees=31.0)
affine("rotation-of-grey", degrees=-140.0, shape=GREY)
affine("translation", right=2, down=-3)
affine("larger", scale=1.7)
affine("smaller", scale=0.6, shape=GREY)
affine("shear-along-rows", shearX=17.0)
affine("shear-along-columns", shearY=-23.0)
affine("all-at-once", degrees=12.0, right=-1, down=2, scale=1.3, shearX=9.0, shearY=14.0)
# Bilinear values are not compared with a fill: torchvision 0.14 weights pixels at the border twice then.
affine("nearest", "nearest", 77.0, degrees=25.3, scale=0.83, shearX=4.1)
affine("nearest-of-grey", "nearest", 200.0, GREY, degrees=-71.3, right=1)

for shape in (COLOUR, GREY):
    of = "" if shape == COLOUR else "-of-grey"
    for factor in (0.0, 0.45, 1.0, 1.9):
        add(f"brightness-{factor}{of}", "brightness", lambda x: F.adjust_brightness(x, factor), shape, factor=factor)
        add(f"contrast-{factor}{of}", "contrast", lambda x: F.adjust_contrast(x, factor), shape, grey=True,
            factor=factor)
        add(f"saturation-{factor}{of}", "saturation", lambda x: F.adjust_saturation(x, factor), shape, grey=True,
            factor=factor)
        add(f"sharpness-{factor}{of}", "sharpness", lambda x: F.adjust_sharpness(x, factor), shape, factor=factor)
    for turn in (-0.5, -0.13, 0.0, 0.21, 0.5):
        add(f"hue-{turn}{of}", "hue", lambda x: F.adjust_hue(x, turn), shape, factor=turn)
    for bits in (0, 3, 8):
        add(f"posterize-{bits}{of}", "posterize", lambda x: F.posterize(x, bits), shape, True, bits=bits)
    for threshold in (0.0, 128.0, 255.0):
        add(f"solarize-{threshold}{of}", "solarize", lambda x: F.solarize(x, threshold), shape, True,
            threshold=threshold)
    add(f"autocontrast{of}", "autocontrast", F.autocontrast, shape)
    add(f"equalize{of}", "equalize", F.equalize, (shape[0], 40, 31), True)
    add(f"greyscale{of}", "greyscale", lambda x: F.rgb_to_grayscale(x, shape[0]), shape, grey=True)
    add(f"horizontal-flip{of}", "horizontal flip", F.hflip, shape)
    add(f"vertical-flip{of}", "vertical flip", F.vflip, shape)
    for size, sigma in ((3, 0.6), (5, 1.7)):
        add(f"blur-{size}{of}", "blur", lambda x: F.gaussian_blur(x, [size, size], [sigma, sigma]), shape,
            kernelSize=size, sigma=sigma)
    for height, width in ((3, 4), (14, 18), (5, 17), (1, 1)):
        add(f"resize-{height}x{width}{of}", "resize", lambda x: F.resize(x, [height, width], antialias=True), shape)
    for mode, ours in (("constant", "zeros"), ("reflect", "reflect"), ("edge", "replicate")):
        add(f"pad-{ours}{of}", "pad", lambda x: F.pad(x, [3, 2], padding_mode=mode), shape, padding=[2, 3], mode=ours)

# Each change of RandAugment in both directions.
for magnitude in (4, 10):
    for shape in (COLOUR, GREY):
        augment = autoaugment.RandAugment(magnitude=magnitude, num_magnitude_bins=11)
        for change, (magnitudes, signed) in augment._augmentation_space(11, shape[1:]).items():
            for sign in (1, -1) if signed else (1,):
                strength = sign * float(magnitudes[magnitude]) if magnitudes.ndim > 0 else 0.0
                x = image(f"randaugment-{magnitude}", shape)
                of_bytes = change in OF_BYTES
                y = autoaugment._apply_op(x if of_bytes else x.double() / 255, change, strength,
                                          InterpolationMode.BILINEAR, None)
                table.add(f"randaugment-{magnitude}-{shape[0]}-{change}{sign:+}", transform="randaugment",
                          grey=change in OF_GREY and shape[0] == 3, shape=list(shape), magnitude=magnitude,
                          x=x.double(), result=list(shape), y=y.double() if of_bytes else y * 255)

table.write(torchvision=torchvision.__version__)
