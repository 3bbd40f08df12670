namespace ConvNet;

/// <summary>Messages about arguments, for a reader who does not call the method.</summary>
internal static class ArgumentErrors
{
    private const string ProblemKey = "ConvNet.Problem";

    /// <summary>An error with what is wrong, and then a way out.</summary>
    public static ArgumentException WithAdvice(string problem, string advice)
        => new($"{problem} {advice}") { Data = { [ProblemKey] = problem } };

    /// <summary>What is wrong without the way out, for a reader who cannot take it.</summary>
    public static string Problem(this Exception error)
    {
        if (error.Data[ProblemKey] is string problem)
            return problem;
        string message = error.PlainMessage(), inner = error.InnerException?.PlainMessage() ?? "";
        return inner.Length > 0 && message.EndsWith(inner, StringComparison.Ordinal)
            ? message[..^inner.Length] + error.InnerException!.Problem()
            : message;
    }

    /// <summary>The message without the name of the parameter that .NET appends.</summary>
    public static string PlainMessage(this Exception error)
    {
        if (error is not ArgumentException { ParamName: { } name })
            return error.Message;
        int suffix = error.Message.LastIndexOf($" (Parameter '{name}')", StringComparison.Ordinal);
        return suffix < 0 ? error.Message : error.Message[..suffix];
    }
}
