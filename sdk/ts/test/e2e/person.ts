// A person at the browser.
import { chromium, type Browser, type Page } from 'playwright-core';
import { person } from './sojourn.js';

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env['SOJOURN_TEST_CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

/** fillIn goes through the server's pages: who they are, and that they opened the app. */
export async function fillIn(page: Page): Promise<void> {
  await page.waitForSelector('[name=username], [name=consent]');
  if (await page.locator('[name=username]').count()) {
    await page.fill('[name=username]', person.email);
    await page.fill('[name=password]', person.password);
    await page.press('[name=password]', 'Enter');
  }
  await page.click('[name=consent][value=allow]');
}

/** followed opens an address as a phone's browser does, and returns the address that leads back to the app. */
export async function followed(page: Page, url: string, redirectUri: string): Promise<string> {
  const back = new Promise<string>((resolve) => {
    page.on('response', (response) => {
      const to = response.headers()['location'] ?? '';
      if (to.startsWith(redirectUri)) resolve(to);
    });
  });
  await page.goto(url);
  await fillIn(page);
  return back;
}
