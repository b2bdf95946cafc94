import { messageOf } from "./errors";

/** What a long piece of work is and how long it takes as a rule. */
export interface Step {
    label: string;
    /** Seconds it takes on two idle cores. */
    usualSeconds: number;
    run: () => Promise<void>;
}

/** One line on standard error, so that standard output holds results only. */
export function say(line: string): void {
    process.stderr.write(`${line}\n`);
}

/** A duration for people: `8 s`, `2 min 05 s`. */
export function duration(seconds: number): string {
    const whole = Math.round(seconds);
    return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** Runs steps in order, printing `[n/m] label`, the time it usually takes, a sign of life every 30 s and the time it took. */
export async function runSteps(steps: Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
        const place = `[${index + 1}/${steps.length}]`;
        const start = performance.now();
        const elapsed = () => (performance.now() - start) / 1000;
        say(`${place} ${step.label} (usually ${duration(step.usualSeconds)})`);
        const alive = setInterval(() => say(`${place} … ${duration(elapsed())}`), 30_000);
        try {
            await step.run();
        } catch (error) {
            say(`${place} ${step.label} failed after ${duration(elapsed())}: ${messageOf(error).split("\n")[0]}`);
            throw error;
        } finally {
            clearInterval(alive);
        }
        say(`${place} done in ${duration(elapsed())}`);
    }
}
