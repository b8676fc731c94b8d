/**
 * The files of the page. They are part of the program, so that it needs no access to files for them.
 *
 * @module
 */
import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplotJs from "uplot/dist/uPlot.esm.js" with { type: "text" };
import app from "../../web/app.js" with { type: "text" };
import deskCss from "../../web/desk.css" with { type: "text" };
import desk from "../../web/desk.js" with { type: "text" };
import openApi from "../../docs/openapi.yaml" with { type: "text" };
import charts from "../../web/charts.js" with { type: "text" };
import dom from "../../web/dom.js" with { type: "text" };
import format from "../../web/format.js" with { type: "text" };
import html from "../../web/index.html" with { type: "text" };
import lag from "../../web/lag.js" with { type: "text" };
import orders from "../../web/orders.js" with { type: "text" };
import style from "../../web/style.css" with { type: "text" };
import tables from "../../web/tables.js" with { type: "text" };
import words from "../../web/words.js" with { type: "text" };

const FILES: Record<string, { type: string; text: string }> = {
  "/": { type: "text/html", text: html },
  "/app.js": { type: "text/javascript", text: app },
  "/desk.js": { type: "text/javascript", text: desk },
  "/desk.css": { type: "text/css", text: deskCss },
  "/openapi.yaml": { type: "application/yaml", text: openApi },
  "/charts.js": { type: "text/javascript", text: charts },
  "/dom.js": { type: "text/javascript", text: dom },
  "/format.js": { type: "text/javascript", text: format },
  "/lag.js": { type: "text/javascript", text: lag },
  "/orders.js": { type: "text/javascript", text: orders },
  "/tables.js": { type: "text/javascript", text: tables },
  "/words.js": { type: "text/javascript", text: words },
  "/style.css": { type: "text/css", text: style },
  "/uplot.js": { type: "text/javascript", text: uplotJs },
  "/uplot.css": { type: "text/css", text: uplotCss },
};

/** The answer with a file of the page; `undefined` for another path. */
export function assetResponse(path: string): Response | undefined {
  const file = FILES[path];
  return file && new Response(file.text, {
    headers: { "content-type": `${file.type}; charset=utf-8`, "cache-control": "no-cache" },
  });
}
