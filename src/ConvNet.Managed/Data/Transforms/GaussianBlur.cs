using System.Buffers;
using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Blurs an image with a Gaussian of random width; the image is reflected at its borders.</summary>
/// <remarks>As torchvision's <c>GaussianBlur</c>: the weight of a pixel at distance d is exp(−d²/2σ²) within the
/// kernel, divided by the sum of the weights.</remarks>
public sealed record GaussianBlur : Transform
{
    private static readonly ValueRange s_usualSigma = (0.1, 2);

    private static readonly AttributeDeclaration<int> s_kernelSize
        = AttributeDeclaration.Integer<GaussianBlur>("kernelSize", blur => blur.KernelSize);

    private static readonly AttributeDeclaration<ValueRange> s_sigma
        = AttributeDeclaration.Bounds<GaussianBlur>("sigma", blur => blur.Sigma, NumberInterval.AboveZero,
            s_usualSigma);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<Transform> Declared { get; } = new("gaussianblur", "blurs images by a random amount",
        [s_kernelSize, s_sigma], values => new GaussianBlur(values.Get(s_kernelSize), values.Get(s_sigma)));

    /// <summary>Creates a blur.</summary>
    /// <param name="kernelSize">The rows and columns of the kernel, an odd number.</param>
    /// <param name="sigma">The bounds of σ in pixels; by default 0.1 to 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range, or the size of the kernel is
    /// even.</exception>
    public GaussianBlur(int kernelSize, ValueRange? sigma = null)
    {
        string kind = Declared.Kind;
        KernelSize = s_kernelSize.Check(kind, kernelSize) % 2 == 1 ? kernelSize
            : throw new ArgumentOutOfRangeException(nameof(kernelSize), $"{kind}: kernelSize {kernelSize} is even, so "
                + $"that it has no middle. Use {kernelSize - 1} or {kernelSize + 1}.");
        Sigma = s_sigma.Check(kind, sigma ?? s_usualSigma);
    }

    /// <summary>The rows and columns of the kernel.</summary>
    public int KernelSize { get; }

    /// <summary>The bounds of σ in pixels.</summary>
    public ValueRange Sigma { get; }

    /// <inheritdoc/>
    public override Declaration<Transform> Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(Shape input) => KernelSize / 2 < Math.Min(input.H, input.W) ? input
        : throw new ArgumentException($"A blur with a kernel of {KernelSize} reflects {KernelSize / 2} rows and "
            + $"columns of the image, which {input} does not have. Use a kernel of at most "
            + $"{2 * Math.Min(input.H, input.W) - 1}.", nameof(input));

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        float[] kernel = Kernel(Sigma.Draw(random));
        int reach = KernelSize / 2;
        float[] narrow = ArrayPool<float>.Shared.Rent(shape.Area), row = new float[shape.W + 2 * reach];
        for (int c = 0; c < shape.C; c++)
        {
            for (int h = 0; h < shape.H; h++)
            {
                ReadOnlySpan<float> source = x.Slice((c * shape.H + h) * shape.W, shape.W);
                for (int w = -reach; w < shape.W + reach; w++)
                    row[w + reach] = source[Reflected(w, shape.W)];
                Span<float> target = narrow.AsSpan(h * shape.W, shape.W);
                target.Clear();
                for (int k = 0; k < kernel.Length; k++)
                    TensorPrimitives.MultiplyAdd(row.AsSpan(k, shape.W), kernel[k], target, target);
            }
            for (int h = 0; h < shape.H; h++)
            {
                Span<float> target = y.Slice((c * shape.H + h) * shape.W, shape.W);
                target.Clear();
                for (int k = 0; k < kernel.Length; k++)
                    TensorPrimitives.MultiplyAdd(
                        narrow.AsSpan(Reflected(h + k - reach, shape.H) * shape.W, shape.W), kernel[k], target, target);
            }
        }
        ArrayPool<float>.Shared.Return(narrow);
    }

    private float[] Kernel(double sigma)
    {
        var weights = new double[KernelSize];
        for (int k = 0; k < weights.Length; k++)
        {
            double distance = (k - KernelSize / 2) / sigma;
            weights[k] = Math.Exp(-distance * distance / 2);
        }
        double sum = weights.Sum();
        return Array.ConvertAll(weights, weight => (float)(weight / sum));
    }

    private static int Reflected(int position, int size) => position < 0 ? -position
        : position < size ? position : 2 * (size - 1) - position;
}
