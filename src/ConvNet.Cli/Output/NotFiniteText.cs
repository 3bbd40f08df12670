using System.Globalization;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Cli;

/// <summary>Describes scores that are not finite.</summary>
internal static class NotFiniteText
{
    /// <summary>Returns how many images have such scores, the first of them, and the layer where the first such value
    /// arises.</summary>
    /// <param name="network">The network that was tested.</param>
    /// <param name="images">The loader of the test images.</param>
    /// <param name="test">The result of the test, with at least one score that is not finite.</param>
    public static string Of(IExecutable network, DataLoader images, Evaluation test)
    {
        int first = test.FirstNotFinite!.Value;
        var origin = NonFiniteOrigin.Find(network, images.SampleOf(first).Inputs(1), pass: null);
        return string.Create(CultureInfo.InvariantCulture,
            $"The scores of {test.NotFinite:N0} of {test.Count:N0} test images are not finite, so these have no "
            + $"predicted class. The first is image {first:N0} (counting from 0): {origin.Description}. "
            + $"{origin.Advice}").TrimEnd();
    }
}
