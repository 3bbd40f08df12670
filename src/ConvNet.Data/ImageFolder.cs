namespace ConvNet.Data;

/// <summary>Lists the image files of a folder that has a folder for each class.</summary>
internal static class ImageFolder
{
    private const string Train = "train", Test = "test", Validation = "val";

    /// <summary>Returns the names of the folders in a folder, in ordinal order, without hidden ones.</summary>
    public static string[] ClassFolders(string folder) => [.. Directory.EnumerateDirectories(folder)
        .Select(path => Path.GetFileName(path)!).Where(name => !name.StartsWith('.')).Order(StringComparer.Ordinal)];

    /// <summary>Lists the images.</summary>
    /// <exception cref="InvalidDataException">The folders are not those of classes.</exception>
    public static ImageListing List(string folder)
    {
        string[] folders = ClassFolders(folder);
        var ignored = new List<string>(FilesOf(folder));
        // A class may be called train too.
        bool isSplit = folders.Contains(Train) && ClassFolders(Path.Combine(folder, Train)).Length > 0;
        string train = folder;
        string[] classes = folders;
        LabelledImage[]? tested = null;
        if (isSplit)
        {
            string testName = folders.Contains(Test) ? Test : folders.Contains(Validation) ? Validation
                : throw new InvalidDataException($"{folder} has a folder {Train}, but neither {Test} nor {Validation}. "
                    + $"Add one, or name {Path.Combine(folder, Train)} to select test images from it.");
            ignored.AddRange(folders.Where(name => name != Train && name != testName)
                .Select(name => Path.Combine(folder, name)));
            train = Path.Combine(folder, Train);
            string test = Path.Combine(folder, testName);
            classes = ClassFolders(train);
            if (ClassFolders(test).Except(classes).FirstOrDefault() is { } unknown)
                throw new InvalidDataException($"{Path.Combine(test, unknown)} is a class that {train} does not have. "
                    + "Both must have the same classes.");
            ignored.AddRange(FilesOf(train).Concat(FilesOf(test)));
            tested = Images(test, classes, ignored);
            if (tested.Length == 0)
                throw new InvalidDataException($"{test} has no images in folders of the classes.");
        }
        return new ImageListing(folder, ImageSourceKind.Images, classes.Length, Images(train, classes, ignored), tested)
        {
            ClassNames = classes,
            Folders = [.. classes.Select(name => Path.Combine(train, name))],
            Ignored = [.. ignored],
        };
    }

    private static LabelledImage[] Images(string folder, string[] classes, List<string> ignored)
    {
        var images = new List<LabelledImage>();
        for (int label = 0; label < classes.Length; label++)
        {
            string of = Path.Combine(folder, classes[label]);
            if (!Directory.Exists(of))
                continue;
            ILookup<bool, string> files = FilesOf(of).ToLookup(ImageFile.HasImageName);
            images.AddRange(files[true].Select(file => new LabelledImage(file, label)));
            ignored.AddRange(files[false].Concat(ClassFolders(of).Select(name => Path.Combine(of, name))));
        }
        return [.. images];
    }

    private static string[] FilesOf(string folder) => [.. Directory.EnumerateFiles(folder)
        .Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal)];
}
