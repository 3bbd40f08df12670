using System.Globalization;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Cli;

/// <summary>Scores that are no numbers, in words.</summary>
internal static class NotFiniteText
{
    /// <summary>How many images have such scores, which is the first, and where the first such value arises in the
    /// network.</summary>
    /// <param name="network">The network that was tested.</param>
    /// <param name="images">The images that it was tested on.</param>
    /// <param name="test">What came of it; it has a score that is not finite.</param>
    public static string Of(IExecutable network, DataLoader images, Evaluation test)
    {
        int first = test.FirstNotFinite!.Value;
        float[] image = images.InputOf(first);
        var origin = NonFiniteOrigin.Find(network, image, step: null);
        return string.Create(CultureInfo.InvariantCulture,
            $"The scores of {test.NotFinite:N0} of {test.Count:N0} test images are not finite and name no class; "
            + $"the first of them is image {first:N0}, from 0: {origin.Description}. {origin.Advice}").TrimEnd();
    }
}
