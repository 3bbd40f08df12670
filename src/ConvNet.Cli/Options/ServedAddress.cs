using System.CommandLine;
using System.Net;

namespace ConvNet.Cli.Verbs;

/// <summary>The options that say where a page is served.</summary>
/// <param name="Port">The option of the port, which may have no value.</param>
/// <param name="Address">The option of the address.</param>
internal sealed record ServedAddress(Option<int?> Port, Option<string?> Address)
{
    private const string Local = "localhost";

    /// <summary>Adds the options to a verb.</summary>
    /// <param name="verb">The verb.</param>
    /// <param name="port">The name of the option of the port.</param>
    /// <param name="description">Its description.</param>
    /// <param name="address">The name of the option of the address.</param>
    public static ServedAddress Of(Verb verb, string port, string description, string address)
    {
        Option<int?> number = verb.Optional<int?>(port, description, "PORT");
        number.Arity = ArgumentArity.ZeroOrOne;
        number.CustomParser = result => result.Tokens.Count == 0 ? 0
            : Verb.Read(result, port, NumberRanges.Whole(0, IPEndPoint.MaxPort));
        Option<string?> place = verb.Optional<string>(address, "The address of this machine that the page is served "
            + "on. Default: 127.0.0.1, which only programs on this machine can reach.", "ADDRESS");
        place.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var word }] && word.Trim().Length > 0 && Parse(word) is null)
                result.AddError($"{address} is \"{Excerpt.Of(word)}\"; it takes an address in numbers, as 127.0.0.1, "
                    + $"0.0.0.0 or ::1, or {Local}.");
        });
        return new ServedAddress(number, place);
    }

    /// <summary>Returns the address and the port, and warns if other machines can reach it.</summary>
    public (IPAddress Address, int Port) Read(ParseResult command, Terminal terminal)
    {
        IPAddress address = command.GetValue(Address) is { } word ? Parse(word)! : IPAddress.Loopback;
        if (!IPAddress.IsLoopback(address))
            terminal.Warn($"{Address.Name} {address} lets other machines reach the page, and what it sends is not "
                + "encrypted. Those who learn its token can read it.");
        return (address, command.GetValue(Port) ?? 0);
    }

    private static IPAddress? Parse(string word) => word == Local ? IPAddress.Loopback
        : IPAddress.TryParse(word, out IPAddress? address) ? address : null;
}
