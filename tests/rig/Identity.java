/** A user that logs in, and the address that it connects from. */
record Identity(String user, String host) {
    /** The password that tools/rig.sh gives the user on both brokers. */
    String password() {
        return "password of " + user;
    }

    @Override
    public String toString() {
        return user + " at " + host;
    }
}
