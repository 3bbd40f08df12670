using ConvNet.Reports;
using Microsoft.Playwright;
using NUnit.Framework;

namespace ConvNet.Tests.Reports;

/// <summary>The pages as Chromium shows them, on a desktop and on a phone, in the light and in the dark;
/// build/screenshots has the pictures.</summary>
[Category("Browser")]
public sealed class BrowserTests
{
    private static readonly string[] Flags =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync",
    ];

    private readonly TemporaryFolder _folder = new();
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    [OneTimeSetUp]
    public async Task Open()
    {
        string? chromium = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, "chromium")).FirstOrDefault(File.Exists);
        if (chromium is null)
            Assert.Ignore("There is no chromium on the PATH to look at the pages with; eng/setup browser installs it.");
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = chromium, Args = Flags });
        Directory.CreateDirectory(Repository.Path("build", "screenshots"));
    }

    [OneTimeTearDown]
    public async Task Close()
    {
        if (_browser is not null)
            await _browser.CloseAsync();
        _playwright?.Dispose();
        _folder.Dispose();
    }

    [Test]
    public async Task NothingOverlapsOverflowsOrIsHardToRead(
        [Values("bench", "compare", "hostile", "roofline", "show", "train", "train-one-epoch")] string name,
        [Values(1280, 390)] int width)
    {
        IPage page = await _browser!.NewPageAsync(
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
        IPage page = await _browser!.NewPageAsync();
        await page.GotoAsync(Write("hostile"));
        string model = await page.EvaluateAsync<string>(
            $"JSON.parse(document.getElementById('{HtmlPage.DataId}').textContent).comparison.model");
        Assert.That(model, Is.EqualTo(SamplePages.HostileName.Replace('\uD800', '\uFFFD')));
        await page.CloseAsync();
    }

    [Test]
    public async Task TheChecksSeeWhatIsWrong()
    {
        IPage page = await _browser!.NewPageAsync(new() { ViewportSize = new() { Width = 390, Height = 900 } });
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

    private static async Task<string[]> Look(IPage page, string name)
    {
        await page.ScreenshotAsync(
            new() { Path = Repository.Path("build", "screenshots", $"{name}.png"), FullPage = true });
        return await page.EvaluateAsync<string[]>(Checks);
    }

    private string Write(string name)
    {
        string file = _folder.File($"{name}.html");
        using (FileStream stream = File.Create(file))
            HtmlPage.Write(SamplePages.All[name], stream);
        return new Uri(file).AbsoluteUri;
    }

    /// <summary>Looks at all that is shown and tells what is wrong with it, a sentence each.</summary>
    private const string Checks = """
        () => {
          const faults = [], room = 1;
          const shown = element => element.getClientRects().length > 0;
          const words = element => element.textContent.trim().slice(0, 40);
          const meet = (a, b) => a.left < b.right - room && b.left < a.right - room && a.top < b.bottom - room
              && b.top < a.bottom - room;
          if (document.documentElement.scrollWidth > document.documentElement.clientWidth) faults.push(
              'the page scrolls sideways');
          for (const element of document.querySelectorAll('main *')) {
            const box = element.getBoundingClientRect();
            if (shown(element) && !element.closest('.scroll *, pre *') && (box.right > innerWidth + room
                || box.left < -room)) faults.push(`${words(element)} leaves the window`);
          }
          for (const parent of document.querySelectorAll('main, header, section, figure, dl, dl > div')) {
            const blocks = [...parent.children].filter(shown);
            blocks.forEach((block, i) => blocks.slice(i + 1).forEach(other => {
              if (meet(block.getBoundingClientRect(), other.getBoundingClientRect())) faults.push(
                  `${words(block)} covers ${words(other)}`);
            }));
          }
          // The corners of a text where it is drawn, so that a sloping one is no larger than it is.
          const corners = text => {
            const box = text.getBBox(), matrix = text.getScreenCTM();
            return [[0, 0], [1, 0], [1, 1], [0, 1]].map(
                ([x, y]) => new DOMPoint(box.x + room + x * (box.width - 2 * room),
                box.y + room + y * (box.height - 2 * room)).matrixTransform(matrix));
          };
          // Two convex shapes are apart if some side of one of them has the other all on its outer side.
          const apart = (a, b) => [a, b].some(shape => shape.some((from, i) => {
            const to = shape[(i + 1) % shape.length], outside = p => (p.y - from.y) * (to.x - from.x) - (p.x - from.x)
                * (to.y - from.y);
            return (shape === a ? b : a).every(p => outside(p) <= 0);
          }));
          for (const svg of document.querySelectorAll('svg')) {
            if (!shown(svg)) continue;
            const frame = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll('text')],
                places = texts.map(corners);
            if (svg.getAttribute('role') !== 'img' || !svg.querySelector(':scope > title')?.textContent) faults.push(
                'a chart has no name');
            texts.forEach((text, i) => {
              if (places[i].some(p => p.x < frame.left - room || p.x > frame.right + room || p.y < frame.top - room
                  || p.y > frame.bottom + room)) faults.push(`${words(text)} leaves its chart`);
              texts.slice(i + 1).forEach(
                  (other, j) => { if (!apart(places[i], places[i + 1 + j])) faults.push(
                  `${words(text)} covers ${words(other)}`); });
            });
          }
          // Contrast as WCAG 2 counts it: 4.5 for texts.
          const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
          const rgba = colour => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
          const light = colour => {
            const [r, g, b] = rgba(colour).map(channel);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const paper = element => {
            for (; element; element = element.parentElement) {
              const c = getComputedStyle(element).backgroundColor;
              if (rgba(c)[3] !== 0) return c;
            }
            return 'rgb(255, 255, 255)';
          };
          const texts = 'h1, h2, h3, p, dt, dd, th, td, summary, figcaption *, svg text';
          for (const element of document.querySelectorAll(texts)) {
            if (!shown(element)) continue;
            const style = getComputedStyle(element), ink = light(element.closest('svg') ? style.fill : style.color),
                ground = light(paper(element));
            if ((Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05) < 4.5) faults.push(
                `${words(element)} is hard to read`);
          }
          return faults;
        }
        """;
}
