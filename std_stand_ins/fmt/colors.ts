/**
 * A stand-in for `@std/fmt/colors` where JSR cannot be reached: the functions that this project
 * uses, over `styleText` of `node:util`.
 *
 * @module
 */
import { styleText } from "node:util";

let enabled = !Deno.noColor;

/** Turns colours on or off for all functions of this module; `NO_COLOR` keeps them off. */
export function setColorEnabled(value: boolean): void {
  if (!Deno.noColor) enabled = value;
}

function style(format: Parameters<typeof styleText>[0], text: string): string {
  return enabled ? styleText(format, text, { validateStream: false }) : text;
}

/** Bold text. */
export function bold(text: string): string {
  return style("bold", text);
}

/** Dimmed text. */
export function dim(text: string): string {
  return style("dim", text);
}

/** Red text. */
export function red(text: string): string {
  return style("red", text);
}

/** Green text. */
export function green(text: string): string {
  return style("green", text);
}

/** Yellow text. */
export function yellow(text: string): string {
  return style("yellow", text);
}

/** Cyan text. */
export function cyan(text: string): string {
  return style("cyan", text);
}
