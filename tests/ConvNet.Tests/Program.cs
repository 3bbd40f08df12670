using ConvNet.Tests.Contract;

namespace ConvNet.Tests;

/// <summary>This assembly as a program, for what must have a process of its own: the first word says what.</summary>
internal static partial class Program
{
    public const string Continue = "continue", HiddenCaches = "hidden-caches";

    public static void Main(string[] words)
    {
        switch (words)
        {
            case [Continue, .. var rest]:
                ContinuedTraining.Continue(rest);
                break;
            case [HiddenCaches]:
                RunHiddenCaches();
                break;
            default:
                throw new ArgumentException($"This program knows {Continue} and {HiddenCaches}.", nameof(words));
        }
    }

    // Without torch there is none.
    static partial void RunHiddenCaches();
}
