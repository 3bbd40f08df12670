using System.Runtime.InteropServices;
using ConvNet.Cli;
using ConvNet.Measurement;
using NUnit.Framework;

// The exceptions of the runtime, made as it makes them.
#pragma warning disable CA2201

namespace ConvNet.Tests.Cli;

/// <summary>What ends the tool: one line and exit code 2 for what users can mend, the whole exception for a fault of
/// the program.</summary>
public sealed class FailureTests
{
    private static IEnumerable<Exception> Expected =>
    [
        new ArgumentException("A", "name"), new ArgumentOutOfRangeException("name", "A"), new FormatException("A"),
            new InvalidDataException("A"), new FileNotFoundException("A"),
        new UnauthorizedAccessException("A"), new NotSupportedException("A"), new DllNotFoundException("A"),
            new OutOfMemoryException("A"), new InsufficientMemoryException("A"),
        new OverflowException("A"), new NativeCallException(3, "A"),
            new ExternalException("A\nException raised from alloc_cpu"),
            new AggregateException(new NotSupportedException("A")),
        new TypeInitializationException("T", new DllNotFoundException("A")),
    ];

    [TestCaseSource(nameof(Expected))]
    public void WhatUsersCanMendIsOneLine(Exception failure)
    {
        Assert.That(Failures.IsExpected(failure));
        Assert.That(Failures.Message(failure), Does.Contain("A").And.Not.Contain("\n").And.Not.Contain("Parameter '")
            .And.Not.Contain("raised"));
    }

    [Test]
    public void FaultsOfTheProgramAreNone()
    {
        foreach (Exception failure in (Exception[])[new InvalidOperationException(), new NullReferenceException(),
            new IndexOutOfRangeException(), new InvalidCastException(), new KeyNotFoundException()])
            Assert.That(Failures.IsExpected(failure), Is.False, $"{failure}");
    }

    [Test]
    public void AFaultOfTheProgramShowsWhereItHappened()
    {
        using var output = new StringWriter();
        using var error = new FaultyWriter();
        // Progress of a check of several layers goes to standard error, which has a fault here.
        int code = App.Run(["gradcheck", "--layer", "mb1ic1oc1", "mb1ic2oc1", "--backends", "managed"], output, error);
        Assert.That(code, Is.EqualTo(ExitCode.InternalError));
        Assert.That(error.ToString(), Does.StartWith("convnet: internal error")
            .And.Contain(nameof(InvalidTimeZoneException)).And.Contain("   at "));
    }

    private sealed class FaultyWriter : StringWriter
    {
        private bool _thrown;

        public override void WriteLine(string? value)
        {
            if (!_thrown)
            {
                _thrown = true;
                throw new InvalidTimeZoneException("a fault");
            }
            base.WriteLine(value);
        }
    }
}
