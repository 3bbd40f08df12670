namespace ConvNet.Models;

/// <summary>A built-in network: its name, the images that it was designed for, and how to create it.</summary>
public sealed class BuiltInModel
{
    private readonly Func<Shape, int, Graph> _build;

    internal BuiltInModel(string name, Shape input, int classes, string source, Func<Shape, int, Graph> build)
    {
        (Name, Input, Classes, Source, _build) = (name, input, classes, source, build);
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The image shape that the network was designed for.</summary>
    public Shape Input { get; }

    /// <summary>The number of classes that the network was designed for.</summary>
    public int Classes { get; }

    /// <summary>The publication that describes the network, in a few words.</summary>
    public string Source { get; }

    /// <summary>Creates the graph of the network.</summary>
    /// <param name="input">The shape of the images; by default <see cref="Input"/>.</param>
    /// <param name="classes">The number of classes; by default <see cref="Classes"/>.</param>
    /// <exception cref="ArgumentException">The network does not accept images of this shape; the message names sizes
    /// that it accepts.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="classes"/> is less than 1.</exception>
    public Graph Create(Shape? input = null, int? classes = null)
    {
        if (classes < 1)
            throw new ArgumentOutOfRangeException(nameof(classes),
                $"The number of classes is {classes}; it must be at least 1.");
        try
        {
            return _build(input ?? Input, classes ?? Classes);
        }
        catch (ArgumentException error) when (input is { } images && images.Length > 0)
        {
            Shape[] fit = [.. Fitting(images, classes ?? Classes)];
            string taken = fit.Length > 0 ? $"Images of {string.Join(" and ", fit)} fit." : "No similar size fits.";
            throw new ArgumentException(
                $"The model {Name}, designed for {Input} images, does not accept {images}: {error.Problem()} {taken}",
                error);
        }
    }

    /// <summary>Returns the name.</summary>
    public override string ToString() => Name;

    // The nearest sizes below and above. Rows and columns are independent, so each is searched separately.
    private IEnumerable<Shape> Fitting(Shape images, int classes)
    {
        int farthest = 2 * Math.Max(Input.H, Input.W);
        foreach (int way in (int[])[-1, 1])
        {
            int h = Nearest(images.H, h => Builds(h, Input.W)), w = Nearest(images.W, w => Builds(Input.H, w));
            if (h > 0 && w > 0 && Builds(h, w))
                yield return new Shape(images.C, h, w);

            int Nearest(int from, Func<int, bool> builds) => (int)Enumerable.Range(0, farthest)
                .Select(i => from + (long)way * i)
                .FirstOrDefault(size => size is > 0 and <= int.MaxValue && builds((int)size));
        }

        bool Builds(int h, int w)
        {
            try
            {
                _build(new Shape(images.C, h, w), classes);
                return true;
            }
            catch (ArgumentException)
            {
                return false;
            }
        }
    }
}
