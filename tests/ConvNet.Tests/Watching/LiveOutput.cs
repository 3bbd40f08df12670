using System.Text;
using System.Text.RegularExpressions;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Watching;

/// <summary>A run of the command in a thread of its own, whose messages are read while it runs.</summary>
internal sealed class LiveOutput : TextWriter
{
    private readonly StringBuilder _text = new();
    private readonly CancellationTokenSource _end = new();
    private readonly Task<int> _run;

    public LiveOutput(params string[] args)
    {
        _run = Task.Run(() =>
        {
            using var output = new StringWriter();
            return App.Run(args, output, this, cancellation: _end.Token);
        });
    }

    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>The messages so far.</summary>
    public string Text
    {
        get
        {
            lock (_text)
                return _text.ToString();
        }
    }

    public override void Write(char value)
    {
        lock (_text)
            _text.Append(value);
    }

    /// <summary>Waits for the address of the page.</summary>
    public async Task<Uri> Address()
    {
        while (true)
        {
            bool isOver = _run.IsCompleted;
            if (Regex.Match(Text, @"http://\S+?(?=[;\s])") is { Success: true } address)
                return new Uri(address.Value);
            Assert.That(isOver, Is.False, Text);
            await Task.Delay(10);
        }
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public Task<int> End() => _run;

    /// <summary>Interrupts the run and waits for its end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> Interrupt()
    {
        await _end.CancelAsync();
        return await _run;
    }

    protected override void Dispose(bool disposing)
    {
        _end.Cancel();
        _run.Wait();
        _end.Dispose();
        base.Dispose(disposing);
    }
}
