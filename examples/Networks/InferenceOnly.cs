using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Examples.Networks;

/// <summary>Inference only: a saved network is loaded and asked about single images. Nothing is kept for a backward
/// pass, and weights are laid out once.</summary>
public static class InferenceOnly
{
    /// <summary>Returns the share of test images that the network recognises.</summary>
    public static double Run(TextWriter output)
    {
        string file = Path.GetTempFileName();
        try
        {
            FromScratch.Run(TextWriter.Null, file);
            return Recognise(file, output);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static double Recognise(string file, TextWriter output)
    {
        SavedModel saved = SavedModel.Load(file);
        Shape shape = saved.Graph.Input.Shape;
        using var backend = new NativeBackend();
        using IExecutable net = backend.CompileInference(saved.Graph, batchSize: 1);
        saved.CopyTo(net);

        PixelSet images = ImageData.Digits().Test;
        float[] pixels = new float[shape.Length], input = new float[shape.Length], scores = new float[10];
        int right = 0;
        for (int i = 0; i < images.Count; i++)
        {
            for (int p = 0; p < pixels.Length; p++)
                pixels[p] = images.Pixels.Span[i * pixels.Length + p];
            // The network was trained on normalised images; the file says how.
            for (int p = 0; p < pixels.Length; p++)
                input[p] = (pixels[p] / saved.Normalization!.MaxValue - saved.Normalization.Mean[0])
                    / saved.Normalization.StandardDeviation[0];
            net.Infer(input, scores);
            int guess = Array.IndexOf(scores, scores.Max());
            right += guess == images.Labels.Span[i] ? 1 : 0;
            if (i < 5)
                output.WriteLine($"image {i}: {guess}, and it is {images.Labels.Span[i]}");
        }
        return (double)right / images.Count;
    }
}
