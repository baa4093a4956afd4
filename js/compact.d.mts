export function compact(source: string): string;
