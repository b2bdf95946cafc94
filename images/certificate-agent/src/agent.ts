import { Counter, Gauge, Registry } from "prom-client";

import type { ImageApp } from "../../kit";
import { checkKeyPair, KeyPair, Material, RejectedCertificate, rejectionReasons } from "./certificate";
import type { Publisher } from "./publisher";
import type { Source } from "./sources";

/** Longest delay that a timer of Node can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Brings what a source delivers into service, or says why not; the last good certificate stays in service. */
export class CertificateAgent {
    private applied?: KeyPair;
    private rejection?: RejectedCertificate;
    private retry?: NodeJS.Timeout;
    private notAfter?: Gauge;
    private readonly metrics: ReturnType<typeof defineMetrics>;

    constructor(
        private readonly publisher: Publisher,
        private readonly log: Pick<ImageApp["log"], "info" | "warn" | "error">,
        private readonly registry: Registry,
    ) {
        this.metrics = defineMetrics(registry);
        this.adopt();
    }

    /** Follows the source until the signal is aborted. */
    async run(source: Source, signal: AbortSignal): Promise<void> {
        signal.addEventListener("abort", () => clearTimeout(this.retry));
        for await (const material of source(signal)) this.offer(material);
    }

    /** Why there is no certificate in service; undefined when there is one. */
    notReadyReason(): string | undefined {
        if (this.applied) return undefined;
        return this.rejection?.message ?? "no certificate was read yet";
    }

    /** Puts a certificate into service if it is good. */
    offer(material: Material | undefined): void {
        clearTimeout(this.retry);
        let pair: KeyPair;
        try {
            pair = checkKeyPair(material);
        } catch (error) {
            if (!(error instanceof RejectedCertificate)) throw error;
            this.reject(error, material);
            return;
        }
        this.rejection = undefined;
        if (pair.version === this.applied?.version) return;
        this.publisher.publish(pair);
        this.metrics.reloads.inc();
        this.show(pair);
        this.log.info(
            { version: pair.version, serial: pair.serial, notAfter: pair.notAfter },
            "certificate in service",
        );
    }

    private reject(error: RejectedCertificate, material: Material | undefined): void {
        this.rejection = error;
        this.metrics.rejected.inc({ reason: error.reason });
        const inService = this.applied ? `version ${this.applied.version} stays in service` : "none is in service";
        this.log.error({ reason: error.reason }, `certificate rejected: ${error.message}; ${inService}`);
        if (!error.validFrom) return;
        const wait = Math.min(error.validFrom.getTime() - Date.now() + 1, LONGEST_TIMER_MS);
        this.retry = setTimeout(() => this.offer(material), Math.max(wait, 1000)).unref();
    }

    /** After a restart of this process, what it published before is still in service. */
    private adopt(): void {
        try {
            const material = this.publisher.current();
            if (material) this.show(checkKeyPair(material));
        } catch (error) {
            this.log.warn(`certificate of an earlier run is not used: ${(error as Error).message}`);
        }
    }

    private show(pair: KeyPair): void {
        this.applied = pair;
        this.metrics.info.reset();
        this.metrics.info.set({ version: pair.version, serial: pair.serial }, 1);
        this.notAfter ??= new Gauge({
            name: "certificate_not_after_timestamp_seconds",
            help: "End of validity of the certificate in service, as Unix time; absent while there is none.",
            registers: [this.registry],
        });
        this.notAfter.set(pair.notAfter.getTime() / 1000);
    }
}

function defineMetrics(registry: Registry) {
    const registers = [registry];
    const rejected = new Counter({
        name: "certificate_rejected_total",
        help: "Certificates that were not put into service, by reason.",
        labelNames: ["reason"],
        registers,
    });
    // Known from the start, so that the first rejection shows as a rise.
    for (const reason of rejectionReasons) rejected.inc({ reason }, 0);
    return {
        rejected,
        reloads: new Counter({
            name: "certificate_reloads_total",
            help: "Certificates put into service by this process.",
            registers,
        }),
        info: new Gauge({
            name: "certificate_applied_info",
            help: "1 for the certificate in service.",
            labelNames: ["version", "serial"],
            registers,
        }),
    };
}
