using System.Text;
using System.Text.RegularExpressions;

namespace ConvNet.Tests.Packaging;

/// <summary>The C# of the documentation, as a file that a project with the packages compiles.</summary>
internal static partial class DocumentedPrograms
{
    // Its classes are compiled and run by a test of their own.
    private const string OfItsOwn = "gradient-validation.md";

    private const string Head = """
        using ConvNet;
        using ConvNet.Data;
        using ConvNet.GradientChecking;
        using ConvNet.Interpretation;
        using ConvNet.Mpi;
        using ConvNet.Onnx;
        using ConvNet.Serialization;
        using ConvNet.Training;

        // What the text around the blocks speaks of. A block may have a variable of the same name.
        internal class Given
        {
            public static IBackend backend = null!;
            public static Graph graph = null!;
            public static IExecutable net = null!, network = null!, inference = null!;
            public static TrainingSpec spec = null!;
            public static TrainerOptions options = null!;
            public static DataLoader loader = null!, test = null!;
            public static IDataset data = null!;
            public static ImageSource photos = null!;
            public static Normalization normalization = null!;
            public static SavedModel saved = null!;
            public static ImportedModel model = null!;
            public static float[] image = null!;
            public static CancellationToken token = CancellationToken.None;
        }


        """;

    /// <summary>Returns the file. Errors of the compiler name the page and the line.</summary>
    public static string Source()
    {
        var source = new StringBuilder(Head);
        int count = 0;
        foreach (string page in Directory.GetFiles(Repository.Path("docs"), "*.md").Order(StringComparer.Ordinal)
            .Where(page => Path.GetFileName(page) != OfItsOwn))
        {
            string text = File.ReadAllText(page);
            foreach (Match block in Block().Matches(text))
            {
                int line = text.AsSpan(0, block.Groups[1].Index).Count('\n') + 1;
                source.AppendLine($$"""
                    internal sealed class Block{{++count}} : Given
                    {
                        public static void Run()
                        {
                    #line {{line}} "docs/{{Path.GetFileName(page)}}"
                    {{block.Groups[1].Value}}
                    #line default
                        }
                    }
                    """);
            }
        }
        return source.ToString();
    }

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
