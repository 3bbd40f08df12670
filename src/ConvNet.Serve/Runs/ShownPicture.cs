using System.Text.Json;

namespace ConvNet.Serve.Runs;

/// <summary>A picture with its name.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Png">The PNG file in Base64.</param>
internal sealed record ShownPicture(string Name, string Png)
{
    /// <summary>Reads a picture.</summary>
    /// <exception cref="InvalidDataException">Something is wrong with it.</exception>
    public static ShownPicture Of(JsonElement picture) => picture.ValueKind == JsonValueKind.Object
        ? new ShownPicture(picture.Text("name") ?? "", picture.Png())
        : throw new InvalidDataException("a picture is no object");
}
