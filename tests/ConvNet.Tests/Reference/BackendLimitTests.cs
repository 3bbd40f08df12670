using System.Runtime.InteropServices;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>What limits a backend is said with its reason and a way out.</summary>
public sealed class BackendLimitTests
{
    [TestCase(2, 2, 2, null, null, TestName = "AsManyThreadsAsProcessorsLimitNothing")]
    [TestCase(1, 2, 2, null, null, TestName = "FewerThreadsThanProcessorsLimitNothing")]
    [TestCase(4, 4, 4, 4.0, null, TestName = "AQuotaOfAllProcessorsLimitsNothing")]
    [TestCase(3, 2, 8, null, "3 threads run on 2 processors.", TestName = "MoreThreadsThanProcessors")]
    [TestCase(2, 2, 8, 1.5,
        "There are 2 threads, but a control group limits this process to the time of 1.5 of 8 processors.",
        TestName = "AQuotaBelowTheThreads")]
    [TestCase(2, 2, 8, 2.0, "2 threads: a control group limits this process to the time of 2 of 8 processors.",
        TestName = "AQuotaBelowTheMachine")]
    [TestCase(2, 2, 8, null, "2 threads: this process may use 2 of 8 processors.",
        TestName = "AnAffinityBelowTheMachine")]
    public void ThreadsAreComparedWithWhatTheProcessMayUse(int threads, int usable, int online, double? quota,
        string? what)
        => Assert.That(BackendLimits.OfThreads(threads, usable, online, quota).Select(limit => limit.What), Is
            .EqualTo(what is null ? (string[])[] : [what]));

    [Test]
    public void AVariableThatIsSetIsNamedWithItsEffectAndAWayOut()
    {
        const string name = "CONVNET_TEST_OF_LIMITS";
        (string, string)[] known = [(name, "It does nothing."), ("CONVNET_TEST_OF_*", "It begins so.")];
        Assert.That(BackendLimits.OfEnvironment(known), Is.Empty);
        Environment.SetEnvironmentVariable(name, "on\u001b[1m");
        try
        {
            Assert.That(BackendLimits.OfEnvironment(known).Select(limit => (limit.What, limit.Why, limit.Remedy)), Is
                .EqualTo(((string, string, string)[])
            [
                ($"The environment variable {name} is set to \"on\\u001B[1m\".", "It does nothing.",
                    $"Start the program without it: env -u {name}."),
                ($"The environment variable {name} is set to \"on\\u001B[1m\".", "It begins so.",
                    $"Start the program without it: env -u {name}."),
            ]));
        }
        finally
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    [TestCase("0-3,6\n", 5)]
    [TestCase("0", 1)]
    public void ProcessorsOfAListAreCounted(string list, int count)
        => Assert.That(Processors.CountOf(list), Is.EqualTo(count));

    [Test]
    public void TheLeastQuotaOfAGroupAndThoseAboveItCounts()
    {
        using var folder = new TemporaryFolder();
        string inner = Directory.CreateDirectory(folder.File("user.slice/app")).FullName;
        Assert.That(Processors.QuotaOf(["0::/user.slice/app"], Path.GetDirectoryName(folder.File("x"))!), Is.Null);
        File.WriteAllText(Path.Combine(inner, "cpu.max"), "max 100000\n");
        File.WriteAllText(folder.File("user.slice/cpu.max"), "150000 100000\n");
        File.WriteAllText(folder.File("cpu.max"), "400000 100000\n");
        Assert.That(Processors.QuotaOf(["0::/user.slice/app"], Path.GetDirectoryName(folder.File("x"))!), Is
            .EqualTo(1.5));
        Assert.That(Processors.QuotaOf(["0::/a/path/of/the/host"], Path.GetDirectoryName(folder.File("x"))!), Is
            .EqualTo(4));
    }

    [Test]
    public void TheFirstVersionOfControlGroupsIsReadToo()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("cpu/app"));
        File.WriteAllText(folder.File("cpu/app/cpu.cfs_quota_us"), "50000\n");
        File.WriteAllText(folder.File("cpu/app/cpu.cfs_period_us"), "100000\n");
        File.WriteAllText(folder.File("cpu/cpu.cfs_quota_us"), "-1\n");
        File.WriteAllText(folder.File("cpu/cpu.cfs_period_us"), "100000\n");
        Assert.That(Processors.QuotaOf(["4:memory:/app", "3:cpu,cpuacct:/app"],
            Path.GetDirectoryName(folder.File("x"))!), Is.EqualTo(0.5));
    }

    [Test]
    [Platform("Linux")]
    public void FewerThreadsThanAskedForAndBoundOnesAreTold()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
            Assert.Ignore("libtorch is tried on x64 only.");
        CommandResult run = Repository.Run(Repository.Root, "dotnet",
            ["exec", typeof(ConvNet.Cli.App).Assembly.Location, "doctor", "--backend", "torchsharp", "--threads", "2"],
            new Dictionary<string, string?>
            {
                ["OMP_THREAD_LIMIT"] = "1",
                ["OMP_PROC_BIND"] = "true",
                ["ONEDNN_MAX_CPU_ISA"] = "SSE41",
                ["GOMP_SPINCOUNT"] = "7"
            });
        Assert.That(run.Output, Does.Contain("Only 1 of 2 threads are used: OpenMP creates no more.")
            .And.Contain("env -u OMP_THREAD_LIMIT")
            .And.Contain("OMP_PROC_BIND").And.Contain("ONEDNN_MAX_CPU_ISA is set to \"SSE41\"")
                .And.Contain("GOMP_SPINCOUNT=10000"));
        Assert.That(run.ExitCode, Is.Zero, run.Output);
    }
}
