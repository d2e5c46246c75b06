namespace Parallax.Cli.Report;

/// <summary>The look and the few lines of behaviour of the report.</summary>
internal static class HtmlStyle
{
    internal const string Css = """
        :root { --bg: #fbfbfa; --fg: #1c1d20; --soft: #666a73; --card: #ffffff; --line: #dfe1e6; --row: #f0f1f4; --edge: #8a90a0; color-scheme: light dark;
          --product: #3b73d1; --element: #4f9a5b; --reduction: #b9822a; --movement: #8a63b8; --view: #8d929c; --control: #c0504d; --ink: #ffffff; }
        @media (prefers-color-scheme: dark) { :root { --bg: #131418; --fg: #e8e9ec; --soft: #9aa0ac; --card: #1b1d22; --line: #32353d; --row: #23262d; --edge: #737a8a;
          --product: #6d9bea; --element: #74bd80; --reduction: #dcab5c; --movement: #b494dd; --view: #7d838f; --control: #e58683; --ink: #101114; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
        main { max-width: 1120px; margin: 0 auto; padding: 16px 16px 120px; }
        h1 { font-size: 24px; margin: 8px 0 12px; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 0 0 6px; } h2.model { font-size: 22px; margin: 36px 0 10px; } h3 { font-size: 13px; margin: 12px 0 4px; color: var(--soft); font-weight: 600; }
        p { margin: 4px 0 10px; } nav a { margin-right: 14px; color: var(--product); }
        .plan section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px; margin: 14px 0; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 10px; }
        .tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 12px; }
        .tiles b { display: block; font-size: 19px; font-variant-numeric: tabular-nums; } .tiles span { color: var(--soft); font-size: 13px; }
        .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); margin: 12px 2px 0; }
        .legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; background: var(--k); }
        .kproduct { --k: var(--product); } .kelement { --k: var(--element); } .kreduction { --k: var(--reduction); } .kmovement { --k: var(--movement); } .kview { --k: var(--view); } .kcontrol { --k: var(--control); }
        .scroll { overflow-x: auto; margin-bottom: 10px; } .tall { max-height: 72vh; overflow-y: auto; border: 1px solid var(--line); border-radius: 8px; }
        .graph { display: block; margin: 0 auto; } .time { display: block; }
        .box { fill: var(--card); stroke: var(--k); stroke-width: 1.6; } .dynamic .box { stroke-dasharray: 4 3; }
        .label { font-size: 11px; fill: var(--fg); } .id { fill: var(--soft); }
        .edge { fill: none; stroke: var(--edge); stroke-width: 1.1; } .skip { opacity: .55; }
        rect.round { fill: var(--row); stroke: var(--line); } text.round { font-size: 11px; font-weight: 600; fill: var(--soft); }
        .row { fill: var(--row); } .bar { fill: var(--k); stroke: var(--row); stroke-width: .6; } .help .bar { opacity: .5; } .in { font-size: 11px; fill: var(--ink); pointer-events: none; }
        .buffer { fill: var(--k); fill-opacity: .78; stroke: var(--card); stroke-width: .7; } .axis { font-size: 11px; fill: var(--soft); }
        [data-tip] { cursor: pointer; } .picked rect { stroke: var(--fg); stroke-width: 2; }
        .scroll table { border-collapse: collapse; font-size: 13px; width: 100%; } th { text-align: left; color: var(--soft); font-weight: 600; white-space: nowrap; } th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        td { min-width: max-content; } .r { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
        .name { display: block; min-width: 9em; overflow-wrap: anywhere; } .why { display: block; min-width: 20em; }
        .nodes { white-space: pre; font: 12px/1.45 ui-monospace, monospace; color: var(--soft); } summary { cursor: pointer; font-weight: 600; }
        .bars div { display: grid; grid-template-columns: minmax(96px, 190px) 1fr 84px; gap: 10px; align-items: center; font-size: 13px; margin: 5px 0; }
        .bars b { text-align: right; font-variant-numeric: tabular-nums; } .track { background: var(--row); border-radius: 4px; } .track i { display: block; height: 14px; min-width: 2px; border-radius: 4px; background: var(--product); }
        button { font: inherit; font-size: 13px; color: var(--fg); background: var(--row); border: 1px solid var(--line); border-radius: 6px; padding: 1px 9px; margin-left: 4px; }
        #tip { position: fixed; left: 0; right: 0; bottom: 0; margin: 0; padding: 10px 16px; max-height: 40vh; overflow: auto; background: var(--card); border-top: 1px solid var(--line); font: 12px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
        """;

    /// <summary>A tap shows what a resting pointer would; the buttons widen the time axis.</summary>
    internal const string Script = """
        var tip = document.getElementById('tip'), picked = null;
        document.addEventListener('click', function (event) {
          var zoom = event.target.closest('[data-zoom]');
          if (zoom) { zoom.closest('section').querySelector('.inner').style.width = 100 * zoom.dataset.zoom + '%'; return; }
          if (picked) picked.classList.remove('picked');
          picked = event.target.closest('[data-tip]');
          tip.hidden = !picked;
          if (picked) { picked.classList.add('picked'); tip.textContent = picked.dataset.tip; }
        });
        """;
}
