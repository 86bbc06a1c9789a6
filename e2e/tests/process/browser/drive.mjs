// Drives a browser for the tests: one JSON command in a line on standard input, one JSON answer in a line on standard output.
// The arguments: the folder of playwright-core, and the folder for screenshots.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [folder, shots] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(folder);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
let page;
let problems = [];

const DO = {
  /** A new page, as of another person. */
  async open({ width = 1280, height = 800, dark = false }) {
    await page?.context().close();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
    page = await context.newPage();
    page.setDefaultTimeout(30000);
    problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('dialog', (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    // A request that fails is what some tests are about; a rule of the policy that stops something is not.
    page.on('console', (message) => /Content Security Policy|Trusted/i.test(message.text()) && problems.push(message.text()));
  },
  /** Runs a script at the start of each document from now on. */
  first: ({ code }) => page.addInitScript(code),
  goto: ({ url }) => page.goto(url).then(() => null),
  reload: () => page.reload().then(() => null),
  click: ({ at }) => page.locator(at).first().click(),
  fill: ({ at, text }) => page.locator(at).first().fill(text),
  select: ({ at, text }) => page.locator(at).first().selectOption(text),
  press: ({ keys }) => page.keyboard.press(keys),
  wait: ({ at, gone }) => page.locator(at).first().waitFor({ state: gone ? 'hidden' : 'visible' }),
  text: ({ at }) => page.locator(at).first().innerText(),
  count: ({ at }) => page.locator(at).count(),
  eval: ({ code }) => page.evaluate(code),
  /** Keeps a screenshot of the window, or of the whole page. */
  shot: ({ name, whole }) => page.screenshot({ path: `${shots}/${name}.png`, fullPage: whole, animations: 'disabled' }).then(() => null),
  problems: () => problems,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await DO[name](rest)) ?? null };
  } catch (error) {
    const shown = await page?.locator('body').innerText().catch(() => '');
    answer = { error: `${error.message}\nthe page shows: ${shown}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
