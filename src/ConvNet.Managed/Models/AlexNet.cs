namespace ConvNet.Models;

/// <summary>AlexNet with one tower.</summary>
/// <remarks>Source: Krizhevsky, arXiv:1404.5997.</remarks>
public static class AlexNet
{
    /// <summary>Creates the network, without dropout and adaptive pooling: 61,100,840 parameters for 224×224 images
    /// and 1,000 classes.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph Create(Shape input, int classes)
    {
        var graph = new Graph(input);
        Node x = graph.Append(graph.Input, "features",
            ("0", new Conv2d(64, 11, stride: 4, padding: 2, rounding: Rounding.Floor)), ("1", new Relu()),
            ("2", new MaxPool2d(3, stride: 2)),
            ("3", new Conv2d(192, 5, padding: 2)), ("4", new Relu()), ("5", new MaxPool2d(3, stride: 2)),
            ("6", new Conv2d(384, 3, padding: 1)), ("7", new Relu()),
            ("8", new Conv2d(256, 3, padding: 1)), ("9", new Relu()),
            ("10", new Conv2d(256, 3, padding: 1)), ("11", new Relu()), ("12", new MaxPool2d(3, stride: 2)));
        // Dropout would be classifier.0 and classifier.3.
        graph.Append(graph.Add("flatten", new Flatten(), x), "classifier",
            ("1", new Linear(4096)), ("2", new Relu()), ("4", new Linear(4096)), ("5", new Relu()),
            ("6", new Linear(classes)));
        return graph;
    }
}
