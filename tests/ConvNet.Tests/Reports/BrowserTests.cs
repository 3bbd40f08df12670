using ConvNet.Reports;
using Microsoft.Playwright;
using NUnit.Framework;

namespace ConvNet.Tests.Reports;

/// <summary>The pages as Chromium shows them, on a desktop and on a phone, in the light and in the dark;
/// build/screenshots has the pictures.</summary>
[Category("Browser")]
public sealed class BrowserTests : BrowserFixture
{
    private readonly TemporaryFolder _folder = new();

    [OneTimeTearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public async Task NothingOverlapsOverflowsOrIsHardToRead(
        [Values("bench", "compare", "hostile", "roofline", "show", "train", "train-one-epoch")] string name,
        [Values(1280, 390)] int width)
    {
        IPage page = await Browser.NewPageAsync(
            new() { ViewportSize = new() { Width = width, Height = 900 }, ColorScheme = ColorScheme.Light });
        List<string> errors = [], requests = [];
        page.Console += (_, message) => errors.Add(message.Text);
        page.PageError += (_, error) => errors.Add(error);
        page.Request += (_, request) => requests.Add(request.Url);
        string file = Write(name);
        await page.GotoAsync(file);
        string[] light = await Look(page, $"{name}-{width}-light");
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        string[] dark = await Look(page, $"{name}-{width}-dark");
        var named = new List<int>();
        foreach (string chart in await page.Locator("figcaption strong").AllTextContentsAsync())
            named.Add(await page.GetByRole(AriaRole.Img, new() { Name = chart }).CountAsync());
        await page.CloseAsync();
        Assert.Multiple(() =>
        {
            Assert.That(light, Is.Empty);
            Assert.That(dark, Is.Empty);
            Assert.That(errors, Is.Empty);
            Assert.That(requests, Is.EqualTo((string[])[file]));
            Assert.That(named, Is.Not.Empty.And.All.Positive, "charts by their accessible names");
        });
    }

    [Test]
    public async Task TheRawDataIsReadBackByABrowser()
    {
        IPage page = await Browser.NewPageAsync();
        await page.GotoAsync(Write("hostile"));
        string model = await page.EvaluateAsync<string>(
            $"JSON.parse(document.getElementById('{HtmlPage.DataId}').textContent).comparison.model");
        Assert.That(model, Is.EqualTo(SamplePages.HostileName.Replace('\uD800', '\uFFFD')));
        await page.CloseAsync();
    }

    [Test]
    public async Task TheChecksSeeWhatIsWrong()
    {
        IPage page = await Browser.NewPageAsync(new() { ViewportSize = new() { Width = 390, Height = 900 } });
        await page.SetContentAsync("""
            <body style="margin: 0; background: #fff"><main><p style="width: 500px">wide</p>
            <p style="margin-bottom: -20px">one</p><p style="color: #ccc">two</p>
            <figure><svg viewBox="0 0 100 100" width="100" height="100"><text x="10" y="20">over</text>
            <text x="12" y="22">lap</text><text x="90" y="60">outside</text></svg></figure></main></body>
            """);
        string[] faults = await page.EvaluateAsync<string[]>(Checks);
        foreach (string word in (string[])["the page scrolls sideways", "wide leaves the window", "one covers two",
            "over covers lap", "outside leaves its chart", "two is hard to read", "a chart has no name"])
            Assert.That(faults, Has.Some.Contains(word));
        await page.CloseAsync();
    }

    private string Write(string name)
    {
        string file = _folder.File($"{name}.html");
        using (FileStream stream = File.Create(file))
            HtmlPage.Write(SamplePages.All[name], stream);
        return new Uri(file).AbsoluteUri;
    }
}
