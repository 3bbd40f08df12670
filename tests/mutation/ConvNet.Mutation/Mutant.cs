namespace ConvNet.Mutation;

/// <summary>A change of one operator in a C# file.</summary>
/// <param name="Number">Selects the mutant at run time: from 1, in source order.</param>
/// <param name="File">The file, relative to the root of the repository.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Start">Character offset of the operator in the file.</param>
/// <param name="Before">The original operator.</param>
/// <param name="After">Its replacement.</param>
/// <param name="Code">The source line.</param>
internal sealed record Mutant(int Number, string File, int Line, int Start, string Before, string After, string Code);
