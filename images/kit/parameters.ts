import { parseDuration, parseSize, unitNames } from "./units";

export type ParameterType = "string" | "integer" | "boolean" | "duration" | "size" | "enumeration" | "path" | "list";

/** What `--describe` says about one parameter. */
export interface ParameterDescription {
    readonly type: ParameterType;
    /** Unit of the parsed value; absent where there is none. */
    readonly unit?: "milliseconds" | "bytes";
    /** True when there is no default. */
    readonly required: boolean;
    /** The default as declared: durations and sizes keep their unit. */
    readonly default?: string | number | boolean | readonly string[];
    /** Least and greatest value, in `unit`; absent where there is no limit. */
    readonly min?: number;
    readonly max?: number;
    /** The words of an enumeration. */
    readonly values?: readonly string[];
    /** The values that are accepted, in words. */
    readonly allowed: string;
    readonly meaning: string;
}

/** One environment variable of an image. */
export interface Parameter<T> {
    readonly description: ParameterDescription;
    /** Value when the variable is not set; undefined when it must be set. */
    readonly fallback: T | undefined;
    /** Value of a text, or undefined when the text is not allowed. */
    parse(text: string): T | undefined;
}

/** What every kind of parameter is declared with. */
export interface Common<D> {
    /** Used when the variable is not set or empty. Without a default the variable must be set. */
    default?: D;
    /** What the parameter is for, in one sentence. */
    meaning: string;
}

/** A rule for text that goes beyond its type. */
export interface TextRule {
    /** The accepted texts, in words that end the sentence "give …". */
    allowed: string;
    accepts(text: string): boolean;
}

const anyText: TextRule = { allowed: "a text", accepts: () => true };

/** Text. The default may be the empty text, which then means "off". */
export function string({ rule = anyText, ...common }: Common<string> & { rule?: TextRule }): Parameter<string> {
    return parameter({ type: "string", allowed: rule.allowed }, common, (text) =>
        text === "" || rule.accepts(text) ? text : undefined,
    );
}

/** A whole number from `min` to `max`. Default: no limits. */
export function integer({ min, max, ...common }: Common<number> & { min?: number; max?: number }): Parameter<number> {
    const allowed = `a whole number${limits(min, max)}`;
    return parameter({ type: "integer", min, max, allowed }, common, (text) =>
        /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) && isWithin(Number(text), min, max)
            ? Number(text)
            : undefined,
    );
}

/** `true` or `false`, in exactly these letters. */
export function boolean(common: Common<boolean>): Parameter<boolean> {
    return parameter({ type: "boolean", allowed: "true or false" }, common, (text) =>
        text === "true" ? true : text === "false" ? false : undefined,
    );
}

/** A time span with its unit, such as `250ms`, `5s`, `2m`, `365d`; parsed to milliseconds. */
export function duration(options: Common<string> & Limits): Parameter<number> {
    return quantity("duration", "milliseconds", options, parseDuration);
}

/** An amount of data with its unit, such as `512k`, `64Mi`, `1Gi`; parsed to bytes. */
export function size(options: Common<string> & Limits): Parameter<number> {
    return quantity("size", "bytes", options, parseSize);
}

/** One of the given words. */
export function enumeration<const V extends string>({
    values,
    ...common
}: Common<NoInfer<V>> & { values: readonly V[] }): Parameter<V> {
    return parameter({ type: "enumeration", values, allowed: `one of ${values.join(", ")}` }, common, (text) =>
        values.find((value) => value === text),
    );
}

/** An absolute path of a file or folder in the container. The default may be the empty text, which then means "off". */
export function path(common: Common<string>): Parameter<string> {
    return parameter({ type: "path", allowed: "an absolute path" }, common, (text) =>
        text === "" || text.startsWith("/") ? text : undefined,
    );
}

/** Texts between commas; space around them and empty ones do not count. `rule` holds for each. */
export function list({
    rule = anyText,
    ...common
}: Common<readonly string[]> & { rule?: TextRule }): Parameter<readonly string[]> {
    const allowed = `a comma-separated list, each item ${rule.allowed}`;
    return parameter({ type: "list", allowed }, common, (text) => {
        const items = text
            .split(",")
            .map((item) => item.trim())
            .filter((item) => item !== "");
        return items.every((item) => rule.accepts(item)) ? items : undefined;
    });
}

/** Bounds of a duration or size, inclusive, written with a unit. */
export interface Limits {
    min?: string;
    max?: string;
}

function quantity(
    type: "duration" | "size",
    unit: "milliseconds" | "bytes",
    { min, max, ...common }: Common<string> & Limits,
    parse: (text: string) => number | undefined,
): Parameter<number> {
    const bound = (text: string | undefined) => (text === undefined ? undefined : declared(parse(text), text));
    const [least, most] = [bound(min), bound(max)];
    const allowed = `a ${type} with its unit (${unitNames[type]})${limits(min, max)}`;
    return parameter({ type, unit, min: least, max: most, allowed }, common, (text) => {
        const value = parse(text);
        return value !== undefined && isWithin(value, least, most) ? value : undefined;
    });
}

function isWithin(value: number, min = -Infinity, max = Infinity): boolean {
    return value >= min && value <= max;
}

function limits(min: string | number | undefined, max: string | number | undefined): string {
    if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
    if (min !== undefined) return ` of at least ${min}`;
    return max === undefined ? "" : ` of at most ${max}`;
}

function parameter<T>(
    kind: Pick<ParameterDescription, "type" | "unit" | "min" | "max" | "values" | "allowed">,
    { default: given, meaning }: Common<string | number | boolean | readonly string[]>,
    parse: (text: string) => T | undefined,
): Parameter<T> {
    return {
        description: { ...kind, required: given === undefined, default: given, meaning },
        fallback: given === undefined ? undefined : declared(parse(String(given)), given),
        parse,
    };
}

/** Guards the declaration itself: a default or bound that its own parameter refuses is a fault of the image. */
function declared<T>(value: T | undefined, given: unknown): T {
    if (value === undefined) throw new Error(`a parameter declares ${JSON.stringify(given)}, which it does not allow`);
    return value;
}
