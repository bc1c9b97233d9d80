// Load the page again every minute while it is visible.

const RENEW_EVERY_MS = 60_000;

setInterval(() => { if (!document.hidden) location.reload(); }, RENEW_EVERY_MS);
