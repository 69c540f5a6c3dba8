/** Whether a pointer is down. What is drawn anew while somebody presses on it loses the click, so that drawings wait for it. */

let down = false;

addEventListener('pointerdown', () => (down = true), true);
for (const type of ['pointerup', 'pointercancel']) {
  // After the click that follows.
  addEventListener(type, () => setTimeout(() => (down = false)), true);
}

export const pressed = (): boolean => down;
