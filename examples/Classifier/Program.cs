// Names the most probable classes of an image: classify MODEL.onnx IMAGE.png
// Published with dotnet publish examples/Classifier -r linux-x64, it is one executable, without a runtime beside it.
using System.Globalization;
using ConvNet;
using ConvNet.Data;
using ConvNet.Examples.Classifier;
using ConvNet.Onnx;

if (args is not [string modelFile, string imageFile])
{
    Console.WriteLine("Usage: classify MODEL.onnx IMAGE (PNG, JPEG, BMP or GIF)");
    return args.Length == 0 ? 0 : 2;
}
try
{
    ImportedModel model = OnnxImport.Read(modelFile);
    Shape shape = model.Graph.Input.Shape;
    float[] pixels = Picture.Read(imageFile, shape);
    Normalization normalization = model.Normalization ?? Normalization.Published(shape.C == 3 ? "imagenet" : "mnist");
    float[] values = Picture.Normalized(pixels, normalization, shape);
    using var backend = new NativeBackend();
    using IExecutable network = backend.CompileInference(model.Graph, batchSize: 1);
    model.CopyTo(network);
    var scores = new float[model.Graph.Output.Shape.Length];
    network.Infer(values, scores);
    foreach ((int index, float score) in scores.Index().OrderByDescending(each => each.Item).Take(3))
    {
        string name = index < model.ClassNames.Count ? model.ClassNames[index] : $"class {index}";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {score:0.0000}"));
    }
    return 0;
}
catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException
    or NotSupportedException)
{
    Console.Error.WriteLine($"classify: {error.Message}");
    return 1;
}
