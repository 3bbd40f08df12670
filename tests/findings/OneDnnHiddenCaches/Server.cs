using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Findings;

/// <summary>Computes convolutions with libtorch for another program: a child program of
/// examples/AnyLibrary/ProcessBackend.cs, which describes the requests.</summary>
internal static class Server
{
    /// <summary>Answers requests until the input ends.</summary>
    public static void Run()
    {
        using Stream input = Console.OpenStandardInput(), output = Console.OpenStandardOutput();
        while (ReadLine(input) is { } line)
        {
            using var scope = NewDisposeScope();
            JsonElement request = JsonDocument.Parse(line).RootElement, layer = request.GetProperty("layer");
            float[][] tensors = [.. Numbers(request.GetProperty("tensors")).Select(length => new float[length])];
            foreach (float[] tensor in tensors)
                input.ReadExactly(MemoryMarshal.AsBytes(tensor.AsSpan()));
            string kind = layer.GetProperty("layer").GetString()!;
            if (kind is not ("conv" or "convtranspose") || Sizes(layer.GetProperty("padding")).Length != 2)
            {
                output.Write(Encoding.UTF8.GetBytes($"{kind} is not supported, or not with this padding\n"));
                continue;
            }
            output.Write("ok\n"u8);
            string pass = request.GetProperty("pass").GetString()!;
            if (pass != "support")
            {
                foreach (Tensor result in Compute(pass, layer, request, tensors))
                    output.Write(MemoryMarshal.AsBytes(result.contiguous().data<float>().ToArray().AsSpan()));
            }
        }
    }

    private static Tensor[] Compute(string pass, JsonElement layer, JsonElement request, float[][] tensors)
    {
        long n = request.GetProperty("batch").GetInt64(), filters = layer.GetProperty("outChannels").GetInt64(),
            groups = layer.GetProperty("groups").GetInt64();
        long[] shape = Numbers(request.GetProperty("inputs")[0]);
        long[] Sizes(string name) => Server.Sizes(layer.GetProperty(name));
        bool transposed = layer.GetProperty("layer").GetString() == "convtranspose",
            biased = layer.GetProperty("bias").GetBoolean();
        long[] filter = [.. transposed ? (long[])[shape[0], filters / groups] : [filters, shape[0] / groups],
            .. Sizes("kernelSize")];
        Tensor x = tensor(tensors[0]).reshape([n, .. shape]).requires_grad_(),
            w = tensor(tensors[1]).reshape(filter).requires_grad_();
        Tensor? b = biased ? tensor(tensors[2]).requires_grad_() : null;
        Tensor y = transposed
            ? functional.conv_transpose2d(x, w, b, Sizes("stride"), Sizes("padding"), Sizes("outputPadding"),
                Sizes("dilation"), groups)
            : functional.conv2d(x, w, b, Sizes("stride"), Sizes("padding"), Sizes("dilation"), groups);
        if (pass == "forward")
            return [y];
        y.backward([tensor(tensors[^1]).reshape(y.shape)]);
        return b is null ? [x.grad!, w.grad!] : [x.grad!, w.grad!, b.grad!];
    }

    private static long[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(each => each.GetInt64())];

    // Rows and columns; a single number stands for both.
    private static long[] Sizes(JsonElement sizes) => sizes.ValueKind switch
    {
        JsonValueKind.Number => [sizes.GetInt64(), sizes.GetInt64()],
        JsonValueKind.Array => Numbers(sizes),
        _ => [],
    };

    private static string? ReadLine(Stream stream)
    {
        var line = new List<byte>();
        for (int next = stream.ReadByte(); next != '\n'; next = stream.ReadByte())
        {
            if (next < 0)
                return null;
            line.Add((byte)next);
        }
        return Encoding.UTF8.GetString([.. line]);
    }
}
