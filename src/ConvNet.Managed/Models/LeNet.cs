namespace ConvNet.Models;

/// <summary>Small networks in the manner of LeNet-5, with ReLU and max pooling.</summary>
/// <remarks>Source: LeCun et al., Proc. IEEE 1998.</remarks>
public static class LeNet
{
    /// <summary>Creates LeNet-5, for 28×28 images; 61,706 parameters.</summary>
    /// <param name="input">The shape of the images.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">A layer does not accept its input.</exception>
    public static Graph LeNet5(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(6, 5, padding: 2), new Relu(), new MaxPool2d(2),
        new Conv2d(16, 5), new Relu(), new MaxPool2d(2),
        new Flatten(), new Linear(120), new Relu(), new Linear(84), new Relu(), new Linear(classes));

    /// <summary>Creates a network of four convolutions for 32×32 images; 1,116,970 parameters.</summary>
    /// <inheritdoc cref="LeNet5"/>
    public static Graph CifarNet(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(32, 3, padding: 1), new Relu(), new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Conv2d(64, 3, padding: 1), new Relu(), new Conv2d(64, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Flatten(), new Linear(256), new Relu(), new Linear(classes));

    /// <summary>Creates a network of three convolutions for 8×8 images of digits; 25,866 parameters.</summary>
    /// <inheritdoc cref="LeNet5"/>
    public static Graph Digits(Shape input, int classes) => Sequential.Of(input,
        new Conv2d(16, 3, padding: 1), new Relu(), new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Conv2d(64, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Flatten(), new Linear(classes));
}
