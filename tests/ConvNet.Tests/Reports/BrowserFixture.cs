using Microsoft.Playwright;
using NUnit.Framework;

namespace ConvNet.Tests.Reports;

/// <summary>Tests that look at pages with Chromium.</summary>
public abstract class BrowserFixture
{
    private static readonly string[] Flags =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>The browser.</summary>
    protected IBrowser Browser => _browser!;

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
    }

    /// <summary>Takes a screenshot and returns what is wrong with what is shown.</summary>
    protected static async Task<string[]> Look(IPage page, string name)
    {
        await page.ScreenshotAsync(
            new() { Path = Repository.Path("build", "screenshots", $"{name}.png"), FullPage = true });
        return await page.EvaluateAsync<string[]>(Checks);
    }

    /// <summary>Looks at all that is shown and tells what is wrong with it, a sentence each.</summary>
    protected const string Checks = """
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
          // A colour from 0 to 255 with its opacity; color-mix gives one of the form color(srgb 0.1 0.2 0.3 / 0.4).
          const rgba = colour => {
            const [r, g, b, a = 1] = colour.match(/[\d.]+(e-?\d+)?/g).map(Number);
            return colour.startsWith('color(') ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
          };
          const light = colour => {
            const [r, g, b] = colour.map(channel);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const paper = element => {
            if (element === null) return [255, 255, 255];
            const [r, g, b, a] = rgba(getComputedStyle(element).backgroundColor);
            if (a === 1) return [r, g, b];
            const under = paper(element.parentElement);
            return [r, g, b].map((value, i) => a * value + (1 - a) * under[i]);
          };
          const texts = 'h1, h2, h3, p, dt, dd, th, td, summary, figcaption *, svg text';
          for (const element of document.querySelectorAll(texts)) {
            if (!shown(element)) continue;
            const style = getComputedStyle(element), ground = light(paper(element));
            const ink = light(rgba(element.closest('svg') ? style.fill : style.color));
            if ((Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05) < 4.5) faults.push(
                `${words(element)} is hard to read`);
          }
          return faults;
        }
        """;
}
