namespace ConvNet.Mutation;

/// <summary>One operator of a C# file, changed.</summary>
/// <param name="Number">Chooses it at run time: from 1, in the order of the sources.</param>
/// <param name="File">The file, from the root of the repository.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Start">Where the operator is: a character of the file.</param>
/// <param name="Before">What stands there.</param>
/// <param name="After">What runs instead.</param>
/// <param name="Code">The line.</param>
internal sealed record Mutant(int Number, string File, int Line, int Start, string Before, string After, string Code);
