using System.CommandLine;
using System.Globalization;
using ConvNet.Cli.Verbs;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The options of <c>gradcheck</c> that concern accepted deviations.</summary>
internal sealed class BaselineOptions
{
    private const string DateFormat = "yyyy-MM-dd";

    private readonly Option<string?> _file = new("--baseline")
    {
        Description = "A file of accepted deviations of third-party backends. A deviation that it accepts does not "
            + "fail the check; one that is larger, or whose date has passed, does. See docs/gradient-validation.md.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _update = new("--update-baseline")
    {
        Description = "Accept the deviations of this check: write them to the file of --baseline, and remove entries "
            + "that are no longer needed. Requires --expires and --reason.",
    };

    private readonly Option<string?> _expires = new("--expires")
    {
        Description = "The last day (UTC) of the new entries of --update-baseline, for example 2027-06-30.",
        HelpName = "DATE",
    };

    private readonly Option<string?> _reason = new("--reason")
    {
        Description = "The reason of the new entries of --update-baseline, for example the link to a bug report.",
        HelpName = "TEXT",
    };

    /// <summary>Adds the options to a verb.</summary>
    public BaselineOptions(Verb verb)
    {
        verb.Files.Add(_file, FileUse.Updated, command => command.GetValue(_file) is { } file ? [file] : []);
        foreach (Option option in (Option[])[_file, _update, _expires, _reason])
            verb.Add(option);
    }

    /// <summary>Reads the baseline of a command.</summary>
    /// <exception cref="ArgumentException">The options contradict one another, or the file does not exist.</exception>
    /// <exception cref="InvalidDataException">The file does not contain a valid baseline.</exception>
    public BaselineUse Open(ParseResult command)
    {
        string? file = command.GetValue(_file), expires = command.GetValue(_expires),
            reason = command.GetValue(_reason);
        if (!command.GetValue(_update))
        {
            if ((expires is not null ? _expires : reason is not null ? _reason : null) is { } unused)
                throw new ArgumentException($"{unused.Name} requires {_update.Name}.");
            if (file is not null && !Path.Exists(file))
                throw new ArgumentException($"{file} does not exist. {_update.Name} {_expires.Name} DATE "
                    + $"{_reason.Name} TEXT creates it from the present deviations.");
            return new BaselineUse(file, file is null ? null : BaselineFile.Load(file), null);
        }
        if (file is null)
            throw new ArgumentException($"{_update.Name} requires {_file.Name} FILE.");
        if (expires is null || reason is null)
            throw new ArgumentException($"{_update.Name} requires {(expires is null ? $"{_expires.Name} DATE"
                : $"{_reason.Name} TEXT")}: an accepted deviation has a reason and an end.");
        if (!DateOnly.TryParseExact(expires, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.None,
            out DateOnly day))
            throw new ArgumentException($"{_expires.Name} is \"{Excerpt.Of(expires)}\"; it must be a date such as "
                + "2027-06-30.");
        if (day < DateOnly.FromDateTime(DateTime.UtcNow))
            throw new ArgumentException($"{_expires.Name} is {expires}, which has passed. Name today or a later day.");
        return new BaselineUse(file, Path.Exists(file) ? BaselineFile.Load(file) : new Baseline(), (reason, day));
    }
}
