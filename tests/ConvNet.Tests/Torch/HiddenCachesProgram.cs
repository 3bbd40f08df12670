using ConvNet.Tests.Torch;

namespace ConvNet.Tests;

/// <content>The process with the hidden caches.</content>
internal static partial class Program
{
    static partial void RunHiddenCaches() => HiddenCachesTests.RunHidden();
}
