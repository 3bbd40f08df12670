// Runs one of the examples, each of which is a file beside this one:
//
//   dotnet run -c Release --project examples/Networks -- segmentation
using ConvNet.Examples.Networks;

var examples = new Dictionary<string, Func<TextWriter, double>>
{
    ["from-scratch"] = FromScratch.Run,
    ["residual-block"] = ResidualBlock.Run,
    ["two-inputs-two-outputs"] = TwoInputsTwoOutputs.Run,
    ["transfer-learning"] = TransferLearning.Run,
    ["own-layer"] = OwnLayer.Run,
    ["own-optimizer"] = OwnOptimizer.Run,
    ["segmentation"] = Segmentation.Run,
    ["inference-only"] = InferenceOnly.Run,
};
if (args is not [var name] || !examples.TryGetValue(name, out Func<TextWriter, double>? run))
{
    Console.Error.WriteLine($"Name an example: {string.Join(", ", examples.Keys)}.");
    return 2;
}
run(Console.Out);
return 0;
