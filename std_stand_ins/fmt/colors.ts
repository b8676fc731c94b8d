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

/** Whether colours are on. */
export function getColorEnabled(): boolean {
  return enabled;
}

function style(format: Parameters<typeof styleText>[0], text: string): string {
  return enabled ? styleText(format, text, { validateStream: false }) : text;
}

/** Bold text. */
export function bold(str: string): string {
  return style("bold", str);
}

/** Dimmed text. */
export function dim(str: string): string {
  return style("dim", str);
}

/** Red text. */
export function red(str: string): string {
  return style("red", str);
}

/** Green text. */
export function green(str: string): string {
  return style("green", str);
}

/** Yellow text. */
export function yellow(str: string): string {
  return style("yellow", str);
}

/** Cyan text. */
export function cyan(str: string): string {
  return style("cyan", str);
}
