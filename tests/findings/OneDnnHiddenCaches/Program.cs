// Convolutions that libtorch 2.10 computes wrong on AMD processors that hide their caches:
// see docs/found-by-gradcheck.md.
//
//   dotnet run -c Release --project tests/findings/OneDnnHiddenCaches                     this processor
//   dotnet run -c Release --project tests/findings/OneDnnHiddenCaches -- --hide-caches    hidden caches (Linux)
//
// With --serve it answers the requests of examples/AnyLibrary instead: tests/findings/OneDnnHiddenCaches/check.sh.
//
// All values are small whole numbers, so float32 is exact in any order and every difference from float64 is an error.
// The exit code is 1 if there are errors, 2 if the caches could not be hidden.
using Findings;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

Case[] cases =
[
    // n, c, h, w, filters, kernel, padding, stride
    new(4, 1, 28, 28, 6, 5, 2, 1),
    new(4, 3, 16, 16, 16, 3, 1, 1),
    new(4, 3, 16, 16, 17, 3, 1, 1),
    new(4, 16, 14, 14, 6, 5, 0, 1),
    new(4, 20, 14, 14, 16, 3, 1, 1),
    new(4, 20, 14, 14, 50, 5, 0, 1),
    new(4, 48, 14, 14, 16, 3, 1, 1),
    new(4, 48, 14, 14, 16, 3, 1, 2),
    new(4, 64, 14, 14, 16, 3, 1, 2),
    new(4, 33, 14, 14, 17, 1, 0, 1),
];

set_num_threads(1);
using (NewDisposeScope())
    functional.conv2d(ones(1, 16, 4, 4), ones(16, 16, 3, 3), null, [1, 1], [1, 1], [1, 1], 1);
if (args.Contains("--hide-caches") && !HiddenCaches.Hide())
{
    Console.Error.WriteLine("oneDNN's copy of the cache sizes was not found. This needs libtorch 2.10 on Linux x64.");
    return 2;
}
if (args.Contains("--serve"))
{
    Server.Run();
    return 0;
}
Console.WriteLine($"libtorch {__version__}; the processor {(HiddenCaches.AreHere ? "hides" : "reports")} its caches");
Console.WriteLine("n,c,h,w,filters,kernel,padding,stride: wrong values of all values");
long wrong = 0;
foreach (Case each in cases)
{
    using var scope = NewDisposeScope();
    (Tensor y, Tensor dx, Tensor dw) = each.Run(ScalarType.Float32);
    (Tensor trueY, Tensor trueDx, Tensor trueDw) = each.Run(ScalarType.Float64);
    long wrongY = Wrong(y, trueY), wrongDx = Wrong(dx, trueDx), wrongDw = Wrong(dw, trueDw);
    Console.WriteLine($"{each}: y {wrongY} of {y.numel()}, dx {wrongDx} of {dx.numel()}, dw {wrongDw} of {dw.numel()}");
    wrong += wrongY + wrongDx + wrongDw;
}
return wrong == 0 ? 0 : 1;

static long Wrong(Tensor got, Tensor truth) => got.to(ScalarType.Float64).ne(truth).sum().item<long>();

internal sealed record Case(int N, int C, int H, int W, int Filters, int Kernel, int Padding, int Stride)
{
    public (Tensor Y, Tensor Dx, Tensor Dw) Run(ScalarType type)
    {
        Tensor x = WholeNumbers(1, type, N, C, H, W).requires_grad_(),
            w = WholeNumbers(2, type, Filters, C, Kernel, Kernel).requires_grad_();
        Tensor y = functional.conv2d(x, w, null, [Stride, Stride], [Padding, Padding], [1, 1], 1);
        y.backward([WholeNumbers(3, type, y.shape)]);
        return (y, x.grad!, w.grad!);
    }

    public override string ToString() => $"{N},{C},{H},{W},{Filters},{Kernel},{Padding},{Stride}";

    // −3 to 3; the largest sum has 20·25 products of at most 9.
    private static Tensor WholeNumbers(int seed, ScalarType type, params long[] size)
    {
        var random = new Random(seed);
        float[] values = [.. Enumerable.Range(0, (int)size.Aggregate((product, extent) => product * extent))
            .Select(_ => (float)random.Next(-3, 4))];
        return tensor(values).to(type).reshape(size);
    }
}
