import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Where a request stands in a distributed trace (W3C Trace Context). */
export interface TraceContext {
    /** 32 hexadecimal digits, the same for every span of the trace. */
    readonly traceId: string;
    /** 16 hexadecimal digits of this service's own span. */
    readonly spanId: string;
    /** Span of the caller; absent where the trace begins here. */
    readonly parentSpanId?: string;
    /** Whether the caller records the trace; true where it begins here. */
    readonly sampled: boolean;
    /** Header to send with outgoing requests, so that they become children of this span. */
    readonly traceparent: string;
    /** Vendors' part, to be sent along unchanged. */
    readonly tracestate?: string;
}

/** Continues the caller's trace in a new span; begins one where the header is missing or not valid. */
export function continueTrace(headers: IncomingHttpHeaders): TraceContext {
    const caller = parseTraceparent(String(headers.traceparent ?? ""));
    const traceId = caller?.traceId ?? randomBytes(16).toString("hex");
    const spanId = randomBytes(8).toString("hex");
    const sampled = caller?.sampled ?? true;
    const tracestate = caller && headers.tracestate?.toString();
    return {
        traceId,
        spanId,
        ...(caller && { parentSpanId: caller.spanId }),
        sampled,
        traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`,
        ...(tracestate && { tracestate }),
    };
}

function parseTraceparent(header: string) {
    const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header);
    if (!match) return undefined;
    const [, version, traceId, spanId, flags, rest] = match;
    // Later versions may append fields; version 00 may not, and ff is not a version.
    if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
    if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
    return { traceId, spanId, sampled: (parseInt(flags, 16) & 1) === 1 };
}
