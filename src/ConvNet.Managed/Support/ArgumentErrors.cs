namespace ConvNet;

/// <summary>Formats messages of argument errors, also for readers who do not call the method themselves.</summary>
internal static class ArgumentErrors
{
    private const string ProblemKey = "ConvNet.Problem";

    /// <summary>Creates an exception whose message states the problem, followed by advice.</summary>
    public static ArgumentException WithAdvice(string problem, string advice)
        => new($"{problem} {advice}") { Data = { [ProblemKey] = problem } };

    /// <summary>Gets the problem without the advice, for readers to whom the advice does not apply.</summary>
    public static string Problem(this Exception error)
    {
        if (error.Data[ProblemKey] is string problem)
            return problem;
        string message = error.PlainMessage(), inner = error.InnerException?.PlainMessage() ?? "";
        return inner.Length > 0 && message.EndsWith(inner, StringComparison.Ordinal)
            ? message[..^inner.Length] + error.InnerException!.Problem()
            : message;
    }

    /// <summary>Gets the message without the parameter name that .NET appends.</summary>
    public static string PlainMessage(this Exception error)
    {
        if (error is not ArgumentException { ParamName: { } name })
            return error.Message;
        int suffix = error.Message.LastIndexOf($" (Parameter '{name}')", StringComparison.Ordinal);
        return suffix < 0 ? error.Message : error.Message[..suffix];
    }
}
