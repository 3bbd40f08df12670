using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using NUnit.Framework;

namespace ConvNet.Tests.Structure;

/// <summary>The folders of a project's sources, and which of their types use which, as the compiler wrote it
/// down.</summary>
/// <remarks>The assembly says what a type uses, and its symbols say which file a type is from. A constant is a number
/// there, and does not count.</remarks>
internal sealed class Rooms
{
    // The kind of debug information that has the files of types without code: Portable PDB, "Type Definition Document".
    private static readonly Guid s_typeDocuments = new("932E74BC-DBA9-4478-8D46-0F32A7BAB3D3");

    private static readonly Dictionary<short, OpCode> s_opCodes = typeof(OpCodes).GetFields()
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    private readonly Assembly _assembly;
    private readonly Dictionary<int, string> _folders = [];

    /// <summary>Reads an assembly.</summary>
    /// <param name="assembly">The assembly, which has its symbols in or beside it.</param>
    /// <param name="project">The folder of its project.</param>
    public Rooms(Assembly assembly, string project)
    {
        _assembly = assembly;
        using FileStream file = File.OpenRead(assembly.Location);
        using var image = new PEReader(file);
        Assert.That(image.TryOpenAssociatedPortablePdb(assembly.Location,
            path => File.Exists(path) ? File.OpenRead(path) : null, out MetadataReaderProvider? provider, out _),
            $"{assembly.Location} has symbols");
        using MetadataReaderProvider? opened = provider;
        MetadataReader symbols = provider!.GetMetadataReader();
        Dictionary<int, string> ofMethods = symbols.MethodDebugInformation
            .Select(handle => (Row: MetadataTokens.GetRowNumber(handle),
                symbols.GetMethodDebugInformation(handle).Document))
            .Where(method => !method.Document.IsNil)
            .ToDictionary(method => method.Row, method => NameOf(symbols, method.Document));
        ILookup<int, string> ofTypes = symbols.CustomDebugInformation.Select(symbols.GetCustomDebugInformation)
            .Where(information => symbols.GetGuid(information.Kind) == s_typeDocuments)
            .ToLookup(information => MetadataTokens.GetToken(information.Parent), information => NameOf(symbols,
                MetadataTokens.DocumentHandle(symbols.GetBlobReader(information.Value).ReadCompressedInteger())));
        foreach (Type type in assembly.GetTypes())
        {
            IEnumerable<string> files = ofTypes[type.MetadataToken].Concat(MethodsOf(type)
                .Select(method => ofMethods.GetValueOrDefault(method.MetadataToken & 0xFFFFFF, "")));
            if (files.Select(path => FolderOf(path, project)).FirstOrDefault(folder => folder is not null) is { } found)
                _folders.TryAdd(Outermost(type).MetadataToken, found);
        }
    }

    /// <summary>The folders.</summary>
    public IEnumerable<string> Names => _folders.Values.Distinct();

    /// <summary>The uses from folder to folder, each with the types that make them.</summary>
    public ILookup<(string From, string To), string> Uses()
        => (from type in _assembly.GetTypes()
            let folder = FolderOf(type)
            where folder is not null
            from used in TypesIn(type).SelectMany(Parts).Distinct()
            let other = FolderOf(used)
            where other is not null && other != folder
            select (Edge: (folder, other), Types: $"{Outermost(type).Name} uses {Outermost(used).Name}"))
            .Distinct().ToLookup(use => use.Edge, use => use.Types);

    private string? FolderOf(Type type) => type.Assembly == _assembly
        ? _folders.GetValueOrDefault(Outermost(type).MetadataToken) : null;

    private static string NameOf(MetadataReader symbols, DocumentHandle document)
        => symbols.GetString(symbols.GetDocument(document).Name);

    // Generated files are of no folder.
    private static string? FolderOf(string path, string project)
    {
        string start = $"/{project}/";
        string file = path.Replace('\\', '/');
        int at = file.IndexOf(start, StringComparison.Ordinal);
        string inside = at < 0 ? "obj/" : file[(at + start.Length)..];
        return inside.StartsWith("obj/", StringComparison.Ordinal) ? null : Path.GetDirectoryName(inside);
    }

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static IEnumerable<MethodBase> MethodsOf(Type type)
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static
            | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        return [.. type.GetMethods(All), .. type.GetConstructors(All)];
    }

    private static IEnumerable<Type> Parts(Type type) => type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericParameter ? []
        : type.IsConstructedGenericType
            ? [type.GetGenericTypeDefinition(), .. type.GetGenericArguments().SelectMany(Parts)]
        : [type];

    private static IEnumerable<Type> TypesIn(Type type)
    {
        if (type.BaseType is { } ancestor)
            yield return ancestor;
        foreach (Type contract in type.GetInterfaces())
            yield return contract;
        foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static
            | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            yield return field.FieldType;
        foreach (MethodBase method in MethodsOf(type))
        {
            foreach (Type used in Signature(method).Concat(Code(method)))
                yield return used;
        }
    }

    private static IEnumerable<Type> Signature(MethodBase method)
        => [.. method.GetParameters().Select(parameter => parameter.ParameterType),
            .. method is MethodInfo { ReturnType: var result } ? (Type[])[result] : []];

    private static IEnumerable<Type> Code(MethodBase method)
    {
        if (method.GetMethodBody() is not { } body || body.GetILAsByteArray() is not { } code)
            yield break;
        foreach (LocalVariableInfo local in body.LocalVariables)
            yield return local.LocalType;
        Type[] ofType = method.DeclaringType!.GetGenericArguments(),
            ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : [];
        for (int at = 0; at < code.Length;)
        {
            OpCode operation = s_opCodes[code[at] == 0xFE ? unchecked((short)(0xFE00 | code[at + 1])) : code[at]];
            at += operation.Size;
            if (operation.OperandType is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineType
                or OperandType.InlineTok)
            {
                foreach (Type used in Named(method.Module.ResolveMember(BitConverter.ToInt32(code, at), ofType,
                    ofMethod)!))
                    yield return used;
            }
            at += operation.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
        }
    }

    private static IEnumerable<Type> Named(MemberInfo member) => member switch
    {
        Type type => [type],
        FieldInfo field => [field.DeclaringType!, field.FieldType],
        MethodBase method => [method.DeclaringType!, .. Signature(method),
            .. method.IsGenericMethod ? method.GetGenericArguments() : []],
        _ => [],
    };
}
