using ConvNet.Tests.Contract;
using ConvNet.Tests.Models;
using ConvNet.Tests.Ranks;
using ConvNet.Tests.Serialization;
using ConvNet.Tests.Training;

namespace ConvNet.Tests;

/// <summary>This assembly as a program, for what must have a process of its own: the first word says what.</summary>
internal static partial class Program
{
    public const string Continue = "continue", HiddenCaches = "hidden-caches", SweepModels = "models",
        SweepKills = "kills", Forget = "forget", SweepReaders = "readers", SweepExchange = "roundtrips",
        Late = "late", Many = "many";

    public static int Main(string[] words)
    {
        switch (words)
        {
            case [Continue, .. var rest]:
                ContinuedTraining.Continue(rest);
                break;
            case [HiddenCaches]:
                RunHiddenCaches();
                break;
            case [SweepModels, .. var rest]:
                return ModelSweep.Run(rest) ? 0 : 1;
            case [SweepKills, .. var rest]:
                return KillSweep.Run(rest) ? 0 : 1;
            case [SweepExchange, .. var rest]:
                return ExchangeSweep.Run(rest) ? 0 : 1;
            case [SweepReaders, .. var rest]:
                return HostileSweep.Run(rest) ? 0 : 1;
            case [Late]:
                LateRank.Run();
                break;
            case [Many]:
                ManyNotices.Run();
                break;
            case [Forget, var backend]:
                ForgottenExecutables.Forget(backend);
                break;
            default:
                throw new ArgumentException($"This program knows {Continue}, {HiddenCaches}, {SweepModels}, "
                    + $"{SweepKills}, {SweepReaders}, {SweepExchange}, {Late}, {Many} and {Forget}.", nameof(words));
        }
        return 0;
    }

    // Without torch there is none.
    static partial void RunHiddenCaches();
}
