using System.Reflection;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace ConvNet.Mutation;

/// <summary>Runs the tests of the native backend in order of increasing cost, up to the first failure.</summary>
/// <param name="isa">The instruction set of the contract tests.</param>
/// <param name="all">Whether to run all tests, or a subset that takes a third of the time and detects almost as
/// many mutants.</param>
internal sealed class Suite(NativeIsa isa, bool all) : ITestListener
{
    /// <summary>The first failure; null if there is none.</summary>
    public string? Failure { get; private set; }

    /// <summary>The number of tests that passed.</summary>
    public int Passed { get; private set; }

    /// <summary>Runs the tests.</summary>
    public void Run()
    {
        var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
        runner.Load(Assembly.Load("ConvNet.Tests"),
            new Dictionary<string, object> { ["NumberOfTestWorkers"] = 0, ["StopOnError"] = true });
        foreach (string tests in Stages())
        {
            if (Failure is null)
                runner.Run(this, TestFilter.FromXml($"<filter><test re='1'>{tests}</test></filter>"));
        }
    }

    public void TestFinished(ITestResult result)
    {
        if (result.Test.IsSuite)
            return;
        if (result.ResultState.Status == TestStatus.Failed)
            Failure ??= $"{result.FullName}: {result.Message.Split('\n')[0].Trim()}";
        else if (result.ResultState.Status == TestStatus.Passed)
            Passed++;
    }

    public void TestStarted(ITest test)
    {
    }

    public void TestOutput(TestOutput output)
    {
    }

    public void SendMessage(TestMessage message)
    {
    }

    private string[] Stages()
    {
        string[] cheap =
        [
            @"^ConvNet\.Tests\.(Native\.(Plan|Explain|OddGraph|Inference|StepInside)Tests|Reference\.ArenaTests)\.",
            $@"^ConvNet\.Tests\.Contract\.(GraphContract\(native/{isa}\)\.IsExact"
                + $@"|ExecutableContract\(native/{isa}\)\.)",
        ];
        return all ? [.. cheap, $@"^ConvNet\.Tests\.(Native\.|Contract\.\w+\(native/{isa}[/)])"] : cheap;
    }
}
